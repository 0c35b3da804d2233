"""A real HTTP server laid out like the official hosts, which can be told to break connections."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ReleaseServer:
    """Files by path; what was asked; and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range
    cut_after_bytes: dict[str, list[int]] = field(default_factory=dict)  # each answer takes one
    address: str = ""

    def downloads_of(self, path: str) -> list[str | None]:
        return [wanted for method, asked, wanted in self.asked if method == "GET" and asked == path]


@contextlib.contextmanager
def serving() -> Iterator[ReleaseServer]:
    """Serve until the block ends."""
    state = ReleaseServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            state.asked.append(("HEAD", self.path, None))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(("GET", self.path, wanted))
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if start >= len(content) and wanted:
                self.send_error(416)
                return
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            cuts = state.cut_after_bytes.get(self.path)
            if cuts:
                self.wfile.write(content[start : start + cuts.pop(0)])
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
                return
            self.wfile.write(content[start:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
