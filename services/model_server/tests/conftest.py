"""A registry of small models, and servers of it on the loopback."""

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
import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from model_server import registry, signing
from model_server.sealed import write_sealed
from model_server.storage import Folder

REFERENCE = {
    "declarations": 1000,
    "fields": {
        "score": {"ends": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], "shares": [0.1] * 10},
        "goods": {"values": ["tea", "cloth"], "shares": [0.5, 0.4, 0.1]},
    },
}


@dataclass
class Place:
    """A registry with its key."""

    folder: Path
    key: Path

    def publish(self, **told: Any) -> str:
        """Publish a model that does what it is told; return its digest."""
        model = self.folder.parent / f"model-{len(list(self.folder.parent.iterdir()))}"
        files = {"peers.json": registry.json.dumps({"factor": 1.0, **told}).encode()}
        write_sealed(Folder(model), files, {"drift_reference": REFERENCE})
        return registry.publish(Folder(self.folder), Folder(model), self.key.read_bytes())

    def run(self, command: str, *arguments: str) -> int:
        """Run the registry's command line."""
        return registry.run([command, str(self.folder), *arguments])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "key").write_bytes(signing.new_key())
    (tmp_path / "key.pub").write_bytes(signing.public_key((tmp_path / "key").read_bytes()))
    return Place(tmp_path / "registry", tmp_path / "key")


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str
    log: Path

    def ask(self, client: httpx.Client | None = None, price: float = 0.5, **more: Any) -> httpx.Response:
        """Ask for one price."""
        body = {"instances": [{"goods": "tea", "price": price}]}
        post = client.post if client is not None else httpx.post
        return post(f"{self.url}/v1/models/peers:predict", json=body, timeout=10, **more)

    def told(self, what: str) -> Any:
        """What the server tells of its versions, the comparison or drift."""
        return httpx.get(f"{self.url}/v1/models/peers/{what}", timeout=10).json()

    def metrics(self) -> dict[str, float]:
        text = httpx.get(f"{self.url}/metrics", timeout=10).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def wait_for(self, condition: Any, seconds: float = 20) -> None:
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin < seconds, self.log.read_text()
            time.sleep(0.05)


@contextlib.contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--model-dir", str(folder), "--address", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "MODEL_SERVER_DRAIN_SECONDS": "0", **settings}
    log = folder.parent / f"server-{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "peers.py"), *options], env=environment, stderr=output, text=True
        )
    scheme = "https" if "MODEL_SERVER_TLS_DIR" in settings else "http"
    server = Server(process, f"{scheme}://127.0.0.1:{port}", log)

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{server.url}/v2/health/ready", verify=False).status_code == 200
        return False

    try:
        server.wait_for(ready, 60)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
