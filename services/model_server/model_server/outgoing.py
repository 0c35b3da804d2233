"""Requests to other services: over TLS by the site's authority, with a token that the cluster renews in place."""

from __future__ import annotations

import os
import ssl
from collections.abc import Generator, Mapping
from pathlib import Path

import httpx

from model_server.errors import ServiceError

CONNECTIONS = 64


class TokenOfFile(httpx.Auth):
    """Shows the token that a file holds now: the cluster renews it in place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = f"Bearer {self._path.read_text(encoding='ascii').strip()}"
        yield request


def client(
    authority_variable: str, token_variable: str, environment: Mapping[str, str] = os.environ
) -> httpx.AsyncClient:
    """Return a client without a time limit of its own, by the files that the two variables name.

    Raises ServiceError where a file that is named is missing.
    """
    authority, token = environment.get(authority_variable), environment.get(token_variable)
    for variable, path in ((authority_variable, authority), (token_variable, token)):
        if path and not Path(path).is_file():
            raise ServiceError(variable, f"no such file: {path}", "correct or unset it")
    return httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=authority) if authority else True,
        auth=TokenOfFile(Path(token)) if token else None,
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        timeout=None,
        trust_env=False,
    )
