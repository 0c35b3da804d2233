"""Starts the predictor as a process of its own and speaks to it, in the clear or over TLS with a token."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx

from model_server.open_inference import MESSAGE, SERVICE

HERE = Path(__file__).resolve().parent.parent
MODULES = os.pathsep.join(map(str, (HERE, HERE.parent / "model_server")))
MODEL = "risk-scoring"


@dataclass(frozen=True)
class Running:
    """A server process, and how it is asked: `authority` is the certificate that it is trusted by."""

    process: subprocess.Popen[str]
    url: str
    grpc: str
    authority: Path | None = None
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def trust(self) -> ssl.SSLContext | bool:
        return ssl.create_default_context(cafile=str(self.authority)) if self.authority else True

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, verify=self.trust, headers=self.headers)

    def channel(self) -> grpc.Channel:
        if self.authority is None:
            return grpc.insecure_channel(self.grpc)
        return grpc.secure_channel(self.grpc, grpc.ssl_channel_credentials(self.authority.read_bytes()))

    def call(self, channel: grpc.Channel, method: str, request: Any) -> Any:
        """Call a method of the Open Inference protocol; raises grpc.RpcError where it is refused."""
        invoke = channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=MESSAGE[f"{method}Request"].SerializeToString,
            response_deserializer=MESSAGE[f"{method}Response"].FromString,
        )
        return invoke(request, timeout=20, metadata=tuple(self.headers.items()))


def command(model: Path, port: int, grpc_port: int = 0) -> list[str]:
    """The command line of a server on the loopback."""
    options = ["--model-dir", str(model), "--model-name", MODEL, "--address", "127.0.0.1", "--port", str(port)]
    options += ["--grpc-port", str(grpc_port)]
    return [sys.executable, "-m", "risk_scoring.serve", *options]


def environment(**settings: str) -> dict[str, str]:
    """The environment of a server process."""
    return {**os.environ, "PYTHONPATH": MODULES, **settings}


@contextlib.contextmanager
def serving(model: Path, token: str = "", **settings: str) -> Iterator[Running]:
    """A ready server of `model`; it is stopped at the end."""
    with socket.socket() as probe, socket.socket() as other:
        probe.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, grpc_port = probe.getsockname()[1], other.getsockname()[1]
    folder = settings.get("MODEL_SERVER_TLS_DIR")
    authority = Path(folder) / "tls.crt" if folder else None
    process = subprocess.Popen(
        command(model, port, grpc_port), env=environment(**settings), stderr=subprocess.PIPE, text=True
    )
    running = Running(
        process, f"{'https' if folder else 'http'}://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}", authority, token
    )
    try:
        deadline = time.monotonic() + 240
        with running.client() as client:
            while True:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/v2/health/ready").status_code == 200:
                        break
                assert time.monotonic() < deadline, "not ready after four minutes"
                time.sleep(0.1)
        yield running
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
