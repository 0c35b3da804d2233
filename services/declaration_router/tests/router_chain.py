"""A router process before real HTTP servers in the models' place, whose answers each test sets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

SERVICES = Path(__file__).resolve().parents[2]
FOLDERS = [str(SERVICES / name) for name in ("declaration_router", "model_server")]

RISK = {"score": 0.1, "lane": "green", "reasons": []}
SUBHEADINGS = [{"hs6_code": "090111", "text": "Coffee", "confidence": 0.8}]
CLASSIFICATION = {"hs6_code": "090111", "confidence": 0.8, "outcome": "sure", "candidates": SUBHEADINGS}
VALUATION = {"undervaluation": 0.4, "outcome": "usual", "explanation": {"share_of_usual": 1.0}}


@dataclass
class Model:
    """A server in a model's place: it answers what it is told to, after a while, and keeps what it was asked."""

    prediction: dict[str, Any]
    status: int = 200
    delay_seconds: float = 0.0
    body: bytes | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)

    def reset(self, prediction: dict[str, Any]) -> None:
        self.prediction, self.status, self.delay_seconds, self.body = dict(prediction), 200, 0.0, None
        self.asked.clear()
        self.traces.clear()


@dataclass
class Chain:
    """The router's client and the three models behind it."""

    client: httpx.Client
    risk: Model
    classification: Model
    valuation: Model

    def assess(self, **body: Any) -> httpx.Response:
        return self.client.post("/v1/declarations:assess", json=body)


def model_server(model: Model) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            model.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            model.traces.append(self.headers["traceparent"])
            time.sleep(model.delay_seconds)
            answer = {"predictions": [model.prediction], "model_digest": "d" * 64}
            failed = {"error": "instances[0].hs6_code: no code; send six digits"}
            body = model.body or json.dumps(answer if model.status == 200 else failed).encode()
            with contextlib.suppress(OSError):
                self.send_response(model.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@contextlib.contextmanager
def routing(**addresses: str) -> Iterator[httpx.Client]:
    """A ready router of parts at `addresses`; it is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "declaration_router.serve", "--address", "127.0.0.1", "--port", str(port)]
    command += [part for name, address in addresses.items() for part in (f"--{name}", address)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(FOLDERS), "MODEL_SERVER_DRAIN_SECONDS": "0"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None, "the router ended"
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/v2/health/ready").status_code == 200:
                        break
                assert time.monotonic() < deadline, "not ready after a minute"
                time.sleep(0.1)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
