"""A connection stays open after a refusal too: what a caller sends next is not lost on a closed one."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from risk_service import MODEL, Running, serving

PATHS = {
    f"/v2/models/{MODEL}/versions/unknown/infer": 404,
    "/v1/models/unknown:predict": 404,
    f"/v1/models/{MODEL}/decisions": 404,
    "/nothing": 404,
    "/v2/health/ready": 405,
}
BODY = b'{"instances": []}'


def _asked(connection: socket.socket, path: str, *body: bytes, chunked: bool = False) -> int:
    """Send a request whose body comes after its headers, and return the answer's status; 0 where there is none."""
    length = "transfer-encoding: chunked" if chunked else f"content-length: {sum(map(len, body))}"
    connection.sendall(f"POST {path} HTTP/1.1\r\nhost: here\r\n{length}\r\n\r\n".encode())
    for part in body:
        time.sleep(0.05)
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
    if chunked:
        connection.sendall(b"0\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
        received = connection.recv(65536)
        if not received:
            return 0
        answer += received
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("chunked", [False, True], ids=["of-known-length", "in-chunks"])
@pytest.mark.parametrize(("path", "status"), PATHS.items())
def test_a_refusal_leaves_the_connection_open(server: Running, path: str, status: int, chunked: bool) -> None:
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        for _ in range(2):
            assert _asked(connection, path, BODY[:5], BODY[5:], chunked=chunked) == status
        assert _asked(connection, f"/v1/models/{MODEL}:predict", BODY, chunked=chunked) == 400


def test_a_body_that_is_refused_does_not_have_to_come(server: Running) -> None:
    """Nobody makes the server wait for, or read, what it has no use for."""
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        head = "POST /nothing HTTP/1.1\r\nhost: here\r\ncontent-length: 99999999\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 404")
        assert connection.recv(65536) == b""


def test_a_body_that_does_not_come_is_refused_in_time(model: Path) -> None:
    with serving(model, MODEL_SERVER_READ_SECONDS="1", MODEL_SERVER_DRAIN_SECONDS="0") as running:
        where = urlsplit(running.url)
        with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
            head = f"POST /v1/models/{MODEL}:predict HTTP/1.1\r\nhost: here\r\ncontent-length: 20\r\n\r\n"
            connection.sendall(head.encode() + BODY[:5])
            assert connection.recv(65536).startswith(b"HTTP/1.1 408")
