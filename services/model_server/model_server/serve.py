"""Serve a model: granian's processes with the application of `model_server.application` in each.

A service calls `run` with a function that makes its model of sealed files. The environment (`model_server.settings`):
MODEL_SERVER_WORKERS, _BODY_LIMIT_BYTES, _ROWS_LIMIT, _READ_SECONDS, _ANSWER_SECONDS, _DRAIN_SECONDS (how long it still
takes new connections after SIGTERM, unready, until the cluster has noticed), _STOP_SECONDS (how long requests in
flight may take after that), _AUDIT_DIR, _AUDIT_KEY_FILE and _AUDIT_REQUESTS (the logs of decisions and requests),
_AUDIT_STORE, _AUDIT_SHIP_SECONDS and _AUDIT_SEGMENT_BYTES (where they are shipped to, how often, in what parts),
_TLS_DIR (tls.crt and tls.key).
"""

from __future__ import annotations

import argparse
import gc
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

from model_server import settings, tracing
from model_server.application import Application
from model_server.audit import AuditLog
from model_server.authentication import Asked, Authenticator, api_server
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.journal import Journal
from model_server.model import Model
from model_server.sealed import SealedModel
from model_server.shipping import Shipping
from model_server.telemetry import Telemetry
from model_server.versions import EXTRA_CELLS, Versions, opened


def open_audit(audit: settings.AuditSettings | None, what: str = "decisions") -> AuditLog | None:
    """Return a log of this process's own: two could not append to one chain."""
    if audit is None:
        return None
    name = f"{what}-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}.jsonl"
    return AuditLog(audit.folder / name, audit.key, audit.segment_bytes)


def open_journal(audit: settings.AuditSettings | None, telemetry: Telemetry) -> Journal | None:
    """Return the log of requests of this process, or None where none is kept."""
    log = open_audit(audit, "requests") if audit is not None and audit.requests else None
    return None if log is None else Journal(log, telemetry)


def open_access(access: settings.AccessSettings | None, name: str) -> Authenticator | None:
    """Return what reviews tokens, or None where everybody may ask."""
    if access is None:
        return None
    asked = Asked(access.audience, access.namespace, name)
    return Authenticator(api_server(access.host, access.port, access.account), asked)


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
    made.add_argument(
        "--model-dir", required=True, help="folder of a model (MANIFEST.json) or of a registry (traffic.json)"
    )
    made.add_argument("--model-name", default=name, help="name in the paths (default: %(default)s)")
    made.add_argument("--address", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    made.add_argument("--grpc-port", type=int, default=0, help="port for gRPC; 0 for none (default: %(default)s)")
    return made


def run(load: Callable[[SealedModel], Model[Any]], name: str, arguments: Sequence[str] | None = None) -> int:
    """Serve the model that `load` makes until SIGTERM and return the exit status.

    It is 2 where the model is not whole, was changed, or a setting is wrong.
    """
    options = parser(name).parse_args(arguments)
    try:
        chosen = settings.load()
        traffic, registry = opened(options.model_dir, load, chosen.trusted_key)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    print(
        f"model {options.model_name} {traffic.stable.digest} on {options.address}:{options.port}",
        file=sys.stderr,
        flush=True,
    )
    telemetry = Telemetry(traffic.stable.outcomes, EXTRA_CELLS)

    async def grpc_beside(application: Application) -> Any:
        if not options.grpc_port:
            return None
        from model_server import grpc_server  # in a worker only: its threads do not live through a fork

        return await grpc_server.start(application, f"{options.address}:{options.grpc_port}", chosen.tls)

    def application(*_: Any, **__: Any) -> Any:
        """Runs in each worker, which inherits the verified model's memory."""
        telemetry.join()
        versions = Versions(traffic, telemetry, registry)
        versions.began()
        if registry is not None:
            versions.watch(chosen.poll_seconds)
        return Application(
            versions,
            options.model_name,
            chosen.limits,
            open_audit(chosen.audit),
            open_access(chosen.access, options.model_name),
            grpc_beside,
            tracing.opened(options.model_name),
            open_journal(chosen.audit, telemetry),
        )

    serve_until_stopped(telemetry, chosen, "model_server.application:Application", options, application)
    return 0


def serve_until_stopped(
    telemetry: Telemetry,
    chosen: settings.Settings,
    target: str,
    options: argparse.Namespace,
    application: Callable[..., Any],
) -> None:
    """Run granian's processes with what `application` makes in each, on the address and port of `options`.

    `target` only names the application for people; TLS, drain and the number of workers are those of the settings.
    """
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
        target=target,
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
    # What is loaded stays: no collection of garbage looks at it again, nor touches memory that the workers share.
    gc.collect()
    gc.freeze()
    audit = chosen.audit
    shipping = None
    if audit is not None and audit.store is not None:
        shipping = Shipping(audit.folder, audit.store, audit.ship_seconds, telemetry)
    try:
        server.serve(target_loader=application)
    finally:
        if shipping is not None:
            shipping.finish()
