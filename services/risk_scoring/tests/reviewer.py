"""A certificate for the loopback, and what reviews tokens there as the API server does: who may call has one token."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CALLER, STRANGER = "token-of-a-caller", "token-of-a-stranger"
AUDIENCE = "risk-scoring"
USERS = {CALLER: "system:serviceaccount:risk-scoring:caller", STRANGER: "system:serviceaccount:risk-scoring:stranger"}


def certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 and its key, as a TLS secret holds them, and return the folder."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


class _Reviews(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["spec"]
        if self.path.endswith("/tokenreviews"):
            user = USERS.get(asked["token"])
            status = {"authenticated": user is not None, "user": {"username": user}, "audiences": asked["audiences"]}
        else:
            status = {"allowed": asked["user"] == USERS[CALLER]}
        body = json.dumps({"status": status}).encode()
        self.send_response(201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *told: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def reviewing(folder: Path) -> Iterator[dict[str, str]]:
    """Review tokens over TLS, and give the settings of a server that asks here; `folder` must be empty."""
    tls, account = certificate(folder / "api-server"), folder / "account"
    account.mkdir()
    (account / "ca.crt").write_bytes((tls / "tls.crt").read_bytes())
    (account / "token").write_text("token-of-the-server")
    (account / "namespace").write_text("risk-scoring")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Reviews)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "tls.crt", tls / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "MODEL_SERVER_AUDIENCE": AUDIENCE,
            "MODEL_SERVER_SERVICE_ACCOUNT_DIR": str(account),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(server.server_address[1]),
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
