"""Serve a model: granian's processes with the application of `model_server.application` in each.

A service calls `run` with a function that makes its model of sealed files. The environment (`model_server.settings`):
MODEL_SERVER_WORKERS, _BODY_LIMIT_BYTES, _ROWS_LIMIT, _READ_SECONDS, _ANSWER_SECONDS, _DRAIN_SECONDS (how long it still
takes new connections after SIGTERM, unready, until the cluster has noticed), _STOP_SECONDS (how long requests in
flight may take after that), _AUDIT_DIR and _AUDIT_KEY_FILE (the log of decisions), _TLS_DIR (tls.crt and tls.key).
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.log import LogLevels
from granian.server import MPServer

from model_server import settings
from model_server.application import Application
from model_server.audit import AuditLog
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.model import Model
from model_server.sealed import MANIFEST, SealedModel, read_sealed
from model_server.storage import Folder, Store, open_store
from model_server.telemetry import Telemetry


def find_model(address: str) -> Store:
    """Return the store of the model at `address`, or of the one model in a folder below it."""
    store = open_store(address)
    if not isinstance(store, Folder) or (store.root / MANIFEST).exists() or not store.root.is_dir():
        return store
    below = sorted(path.parent for path in store.root.glob(f"*/{MANIFEST}"))
    if len(below) > 1:
        raise ServiceError(address, f"it holds {len(below)} models", "name the folder of one of them")
    return Folder(below[0]) if below else store


def open_audit(audit: settings.AuditSettings | None) -> AuditLog | None:
    """Return a log of this process's own: two could not append to one chain."""
    if audit is None:
        return None
    name = f"decisions-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}.jsonl"
    return AuditLog(audit.folder / name, audit.key)


class DrainingServer(MPServer):
    """Granian's server that, told to stop, is first unready for a while and then finishes what is in flight."""

    def __init__(self, telemetry: Telemetry, drain_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._telemetry = telemetry
        self._drain_seconds = drain_seconds

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        """Begin to drain; a second signal stops at once."""
        if self._telemetry.draining or not self._drain_seconds:
            self._telemetry.drain()
            super().signal_handler_interrupt(*args, **kwargs)  # type: ignore[no-untyped-call]
            return
        self._telemetry.drain()
        print(f"draining for {self._drain_seconds} s", file=sys.stderr, flush=True)
        timer = threading.Timer(self._drain_seconds, super().signal_handler_interrupt)
        timer.daemon = True
        timer.start()


def parser(name: str) -> argparse.ArgumentParser:
    """Return the command line of a service called `name`."""
    made = argparse.ArgumentParser(
        prog=f"python -m {name.replace('-', '_')}.serve", description=f"Serve the model {name} over KServe's protocols."
    )
    made.add_argument("--model-dir", required=True, help="folder that holds the model and its MANIFEST.json")
    made.add_argument("--model-name", default=name, help="name in the paths (default: %(default)s)")
    made.add_argument("--address", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    return made


def run(load: Callable[[SealedModel], Model[Any]], name: str, arguments: Sequence[str] | None = None) -> int:
    """Serve the model that `load` makes until SIGTERM and return the exit status.

    It is 2 where the model is not whole, was changed, or a setting is wrong.
    """
    options = parser(name).parse_args(arguments)
    try:
        chosen = settings.load()
        model = load(read_sealed(find_model(options.model_dir)))
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    print(f"model {options.model_name} {model.digest} on {options.address}:{options.port}", file=sys.stderr, flush=True)
    telemetry = Telemetry(model.outcomes)

    def application(*_: Any, **__: Any) -> Any:
        """Runs in each worker, which inherits the verified model's memory."""
        telemetry.join()
        # a large batch in a thread gives way to the event loop after this, instead of Python's 5 ms
        sys.setswitchinterval(0.0005)
        return Application(model, options.model_name, telemetry, chosen.limits, open_audit(chosen.audit))

    encryption = (
        {}
        if chosen.tls is None
        else {
            "ssl_cert": chosen.tls.certificate,
            "ssl_key": chosen.tls.key,
            "ssl_protocol_min": SSLProtocols.tls12,
        }
    )
    server = DrainingServer(
        telemetry,
        chosen.drain_seconds,
        target="model_server.application:Application",
        address=options.address,
        port=options.port,
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        http=HTTPModes.auto,
        workers=chosen.workers,
        backlog=2048,
        backpressure=512,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=chosen.stop_seconds,
        log_level=LogLevels.warning,
        **encryption,
    )
    server.serve(target_loader=application)
    return 0
