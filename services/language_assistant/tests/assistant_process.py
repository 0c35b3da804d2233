"""The assistant as a process, a server of the OpenAI protocol in a language model's place, and a customs system.

Run as a program it serves with a cluster's reviews of tokens in the tests' own hands: `asker` may ask, `officer` may
confirm as well, `stranger` is known and may do nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

SERVICES = Path(__file__).resolve().parents[2]
FOLDERS = [str(SERVICES / one) for one in ("language_assistant", "model_server", "model_training", "text_encoder")]
MAY = {"asker": ("predict",), "officer": ("predict", "confirm"), "stranger": ()}


def review(path: str, document: Any) -> Any:
    """Review as an API server does."""
    if path.endswith("tokenreviews"):
        name = document["spec"]["token"]
        good = name in MAY
        return {"authenticated": good, "user": {"username": name}, "audiences": document["spec"]["audiences"]}
    asked = document["spec"]["resourceAttributes"]["subresource"]
    return {"allowed": asked in MAY[document["spec"]["user"]]}


@dataclass
class Peer:
    """A server in another's place: it answers as it is told to, and keeps what it was sent."""

    status: int = 200
    lines: list[str] = field(default_factory=list)
    delay_seconds: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def says(self, *pieces: str, tool: tuple[str, str] | None = None, whole: bool = True) -> None:
        """Stream these pieces, then perhaps a tool call in two pieces, then the end."""
        deltas: list[dict[str, Any]] = [{"content": one} for one in pieces]
        if tool is not None:
            name, arguments = tool
            half = len(arguments) // 2
            first = {"index": 0, "id": "c", "type": "function", "function": {"name": name, "arguments": ""}}
            deltas.append({"tool_calls": [first]})
            deltas += [
                {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
                for part in (arguments[:half], arguments[half:])
            ]
        events = [{"choices": [{"index": 0, "delta": one, "finish_reason": None}]} for one in deltas]
        if whole:
            events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            events.append({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}})
        self.lines = [f"data: {json.dumps(one)}" for one in events] + (["data: [DONE]"] if whole else [])


@contextlib.contextmanager
def standing(peer: Peer) -> Iterator[Peer]:
    """Let a peer listen on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            peer.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            peer.headers.append({key.lower(): value for key, value in self.headers.items()})
            time.sleep(peer.delay_seconds)
            body = "".join(f"{line}\n\n" for line in peer.lines).encode()
            with contextlib.suppress(OSError):
                self.send_response(peer.status)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    peer.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Running:
    """A ready assistant: its address, the folders of its log and its proposals, a client that shows a token."""

    url: str
    log: Path
    state: Path
    client: httpx.Client

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return what its logs hold."""
        lines = [json.loads(line) for path in sorted(self.log.glob("*.jsonl")) for line in path.open()]
        return [one for one in lines if kind in (None, one["kind"])]

    def ask(self, text: str, model: str = "portolan-extractive", **more: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.client.post("/v1/chat/completions", json=body)

    def said(self, text: str, **more: Any) -> dict[str, Any]:
        response = self.ask(text, **more)
        assert response.status_code == 200, response.text
        message: dict[str, Any] = response.json()["choices"][0]["message"]
        return message

    def decide(self, name: str, verb: str, token: str = "", **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.client.post(f"/v1/proposals/{name}:{verb}", json=body, headers=headers)


@contextlib.contextmanager
def running(model: Path, folder: Path, token: str = "", **settings: str) -> Iterator[Running]:
    """A ready assistant with a log and a folder of proposals below `folder`; it is stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log, state = folder / "log", folder / "state"
    for one in (log, state):
        one.mkdir(exist_ok=True)
    (folder / "key").write_bytes(b"k" * 32)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(FOLDERS),
        "MODEL_SERVER_DRAIN_SECONDS": "0",
        "MODEL_SERVER_AUDIT_DIR": str(log),
        "MODEL_SERVER_AUDIT_KEY_FILE": str(folder / "key"),
        "ASSISTANT_STATE_DIR": str(state),
        **settings,
    }
    environment = {name: value for name, value in environment.items() if value}
    command = [sys.executable, __file__, "--model-dir", str(model), "--address", "127.0.0.1", "--port", str(port)]
    scheme = "https" if "MODEL_SERVER_TLS_DIR" in settings else "http"
    said = folder / "said.log"
    with said.open("w") as output:
        process = subprocess.Popen(command, env=environment, stderr=output)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    url = f"{scheme}://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=60, headers=headers, verify=False) as client:
            deadline = time.monotonic() + 120
            while True:
                assert process.poll() is None, said.read_text()
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/v2/health/ready").status_code == 200:
                        break
                assert time.monotonic() < deadline, said.read_text()
                time.sleep(0.1)
            yield Running(url, log, state, client)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    from language_assistant import serve
    from model_server import settings as shared

    pod = Path(tempfile.mkdtemp())
    (pod / "namespace").write_text("tests")
    shared.POD = pod
    sys.exit(serve.run(review=review))
