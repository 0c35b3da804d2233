"""Serve a model: `python -m risk_scoring.serve --model-dir /mnt/models --model-name risk-scoring --port 8080`.

Speaks KServe's V1 and Open Inference (V2) REST protocols. Environment: RISK_SCORING_WORKERS (processes),
RISK_SCORING_BODY_LIMIT_BYTES, RISK_SCORING_ROWS_LIMIT, RISK_SCORING_DRAIN_SECONDS (how long it still takes
new connections after SIGTERM, unready, until the cluster has noticed), RISK_SCORING_STOP_SECONDS (how long
requests in flight may take after that).
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# One thread a worker: before LightGBM is imported, whose OpenMP pool would otherwise take every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import MPServer

from risk_scoring.application import Application, Limits
from risk_scoring.audit import KEY_BYTES_LEAST, AuditLog
from risk_scoring.errors import EXIT_COULD_NOT_RUN, RiskScoringError
from risk_scoring.model_files import read_model
from risk_scoring.predictor import Predictor
from risk_scoring.storage import Folder, Store, open_store
from risk_scoring.telemetry import Telemetry


def _whole(name: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise RiskScoringError(name, f"{text!r} is no whole number from {least} to {most}", "correct or unset it")
    return int(text)


def find_model(address: str) -> Store:
    """Return the store of the model at `address`, or of the one model in a folder below it."""
    store = open_store(address)
    if not isinstance(store, Folder) or (store.root / "MANIFEST.json").exists() or not store.root.is_dir():
        return store
    below = sorted(path.parent for path in store.root.glob("*/MANIFEST.json"))
    if len(below) > 1:
        raise RiskScoringError(address, f"it holds {len(below)} models", "name the folder of one of them")
    return Folder(below[0]) if below else store


def audit_settings() -> tuple[Path, bytes] | None:
    """Return the folder and the key of the log of decisions, or None where the environment asks for none."""
    folder, key = os.environ.get("RISK_SCORING_AUDIT_DIR"), os.environ.get("RISK_SCORING_AUDIT_KEY_FILE")
    if not folder:
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RiskScoringError("RISK_SCORING_AUDIT_DIR", f"{folder} cannot be written", "name a writable folder")
    if not key:
        raise RiskScoringError("RISK_SCORING_AUDIT_KEY_FILE", "missing", "name a file of random bytes")
    secret = Folder(Path(key).parent).read(Path(key).name)
    if len(secret) < KEY_BYTES_LEAST:
        raise RiskScoringError(key, f"fewer than {KEY_BYTES_LEAST} bytes", "make a longer random key")
    return Path(folder), secret


def open_audit(settings: tuple[Path, bytes] | None) -> AuditLog | None:
    """Return a log of this process's own: two could not append to one chain."""
    if settings is None:
        return None
    folder, key = settings
    return AuditLog(folder / f"decisions-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}.jsonl", key)


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


def run(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM and return the exit status; 2 where the model is not whole or was changed."""
    parser = argparse.ArgumentParser(prog="python -m risk_scoring.serve", description="Serve the risk model.")
    parser.add_argument("--model-dir", required=True, help="folder that holds the model and its MANIFEST.json")
    parser.add_argument("--model-name", default="risk-scoring", help="name in the paths (default: %(default)s)")
    parser.add_argument("--address", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        workers = _whole("RISK_SCORING_WORKERS", 1, 1, 64)
        limits = Limits(
            _whole("RISK_SCORING_BODY_LIMIT_BYTES", Limits.body_bytes, 1024, 1 << 30),
            _whole("RISK_SCORING_ROWS_LIMIT", Limits.rows, 1, 1_000_000),
        )
        drain_seconds = _whole("RISK_SCORING_DRAIN_SECONDS", 5, 0, 600)
        stop_seconds = _whole("RISK_SCORING_STOP_SECONDS", 20, 1, 600)
        predictor = Predictor.of(read_model(find_model(options.model_dir)))
        audit = audit_settings()
    except RiskScoringError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    print(
        f"model {options.model_name} {predictor.digest} on {options.address}:{options.port}",
        file=sys.stderr,
        flush=True,
    )
    telemetry = Telemetry()

    def application(*_: Any, **__: Any) -> Any:
        """Runs in each worker, which inherits the verified model's memory."""
        telemetry.join()
        # a large batch in a thread gives way to the event loop after this, instead of Python's 5 ms
        sys.setswitchinterval(0.0005)
        return Application(predictor, options.model_name, telemetry, limits, open_audit(audit))

    server = DrainingServer(
        telemetry,
        drain_seconds,
        target="risk_scoring.application:Application",
        address=options.address,
        port=options.port,
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        http=HTTPModes.auto,
        workers=workers,
        backlog=2048,
        backpressure=512,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=stop_seconds,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=application)
    return 0


if __name__ == "__main__":
    sys.exit(run())
