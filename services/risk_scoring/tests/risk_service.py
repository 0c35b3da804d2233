"""Starts the predictor as a process of its own and speaks to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

SERVICE = Path(__file__).resolve().parent.parent
MODULES = os.pathsep.join(map(str, (SERVICE, SERVICE.parent / "model_server")))
MODEL = "risk-scoring"


@dataclass(frozen=True)
class Running:
    """A server process and a client of it."""

    process: subprocess.Popen[str]
    url: str
    grpc: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)


def command(model: Path, port: int, grpc_port: int = 0) -> list[str]:
    """The command line of a server on the loopback."""
    options = ["--model-dir", str(model), "--model-name", MODEL, "--address", "127.0.0.1", "--port", str(port)]
    options += ["--grpc-port", str(grpc_port)]
    return [sys.executable, "-m", "risk_scoring.serve", *options]


def environment(**settings: str) -> dict[str, str]:
    """The environment of a server process."""
    return {**os.environ, "PYTHONPATH": MODULES, **settings}


@contextlib.contextmanager
def serving(model: Path, **settings: str) -> Iterator[Running]:
    """A ready server of `model`; it is stopped at the end."""
    with socket.socket() as probe, socket.socket() as other:
        probe.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, grpc_port = probe.getsockname()[1], other.getsockname()[1]
    process = subprocess.Popen(
        command(model, port, grpc_port), env=environment(**settings), stderr=subprocess.PIPE, text=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/v2/health/ready").status_code == 200:
                    break
            assert time.monotonic() < deadline, "not ready after a minute"
            time.sleep(0.1)
        yield Running(process, url, f"127.0.0.1:{grpc_port}")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The declarations as Open Inference input tensors."""
    return [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": "BYTES" if isinstance(rows[0][name], str) else "FP64",
            "data": [row[name] for row in rows],
        }
        for name in rows[0]
    ]
