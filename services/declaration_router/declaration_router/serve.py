"""Serve one answer for a declaration: `python -m declaration_router.serve --risk http://HOST/risk-scoring ...`.

A part is its service's address and the model's name there, `URL/MODEL`; a part that is left out is told as not
deployed. ROUTER_BUDGET_SECONDS is how long an answer may take at most (1), ROUTER_CA_FILE the authority of parts that
speak TLS, ROUTER_TOKEN_FILE a file with the token that the parts are shown.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from declaration_router.application import OUTCOMES, Application, Limits
from declaration_router.parts import NAMES, Part
from model_server import outgoing
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.serve import DrainingServer
from model_server.telemetry import Telemetry


def part_of(name: str, address: str) -> Part:
    """Return a part of `URL/MODEL`.

    >>> part_of("risk", "http://risk.svc/risk-scoring").address
    'http://risk.svc/v1/models/risk-scoring:predict'

    Raises ServiceError for what is no such address.
    """
    split = urlsplit(address)
    url, _, model = address.rpartition("/")
    if split.scheme not in ("http", "https") or not split.netloc or not model or url.endswith("/"):
        raise ServiceError(f"--{name}", f"{address!r} is no address of a model", "give http://HOST[:PORT]/MODEL")
    return Part(name, url, model)


def client() -> httpx.AsyncClient:
    """Return the client of all parts; the budget is its time limit. Raises ServiceError for a missing file."""
    return outgoing.client("ROUTER_CA_FILE", "ROUTER_TOKEN_FILE")


def budget() -> float:
    """Return the longest time of an answer. Raises ServiceError where the environment gives none."""
    text = os.environ.get("ROUTER_BUDGET_SECONDS", "1")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 60:
        raise ServiceError("ROUTER_BUDGET_SECONDS", f"{text!r} is no time from 0.01 to 60", "correct or unset it")
    return seconds


def run(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM and return the exit status; 2 where an address or a setting is wrong."""
    made = argparse.ArgumentParser(
        prog="python -m declaration_router.serve", description="One answer for a declaration."
    )
    for name in NAMES:
        made.add_argument(f"--{name}", metavar="URL/MODEL", help=f"where {name} is asked")
    made.add_argument("--address", default="0.0.0.0", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    options = made.parse_args(arguments)
    try:
        given = {name: getattr(options, name) for name in NAMES}
        parts = {name: part_of(name, address) for name, address in given.items() if address}
        if not parts:
            raise ServiceError("parts", "none is given", f"give at least one of {', '.join('--' + n for n in NAMES)}")
        limits = Limits(budget_seconds=budget())
        client()
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    print(f"{', '.join(parts)} on {options.address}:{options.port}", file=sys.stderr, flush=True)
    telemetry = Telemetry(OUTCOMES)

    def application(*_: Any, **__: Any) -> Any:
        telemetry.join()
        return Application(parts, telemetry, limits, client())

    server = DrainingServer(
        telemetry,
        float(os.environ.get("MODEL_SERVER_DRAIN_SECONDS", "5")),
        target="declaration_router.application:Application",
        address=options.address,
        port=options.port,
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        workers=1,
        backlog=1024,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=20,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=application)
    return 0


if __name__ == "__main__":
    sys.exit(run())
