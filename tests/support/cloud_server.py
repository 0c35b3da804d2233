"""A server on loopback that answers a cloud's questions in the shape that its documentation gives."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Answers:
    """What is said to which path (the first whose words are all in it), and what was asked."""

    def __init__(self, said):
        self.said, self.asked = dict(said), []

    def to(self, path):
        self.asked.append(path)
        for words, answer in self.said.items():
            if all(word in path for word in words.split(" ")):
                return answer if isinstance(answer, tuple) else (200, answer)
        return 404, {"error": {"code": "NotFound", "message": f"nothing at {path}"}}


@contextmanager
def serving(answers, certificate=None):
    """Serve on loopback until the block ends; with a certificate's file, over TLS. Give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            # Only questions: any other method is answered by 501, and the test that caused it fails.
            status, body = answers.to(unquote(self.path))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    worker = threading.Thread(target=server.serve_forever, daemon=True)
    worker.start()
    try:
        yield f"{scheme}://localhost:{urlsplit(f'//x:{server.server_port}').port}"
    finally:
        server.shutdown()
        server.server_close()
        worker.join()
