"""The HTTP side: an RSGI application for Granian that asks all parts at once and puts their answers together."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from declaration_router.advice import advise
from declaration_router.parts import NAMES, STATES, Outcome, Part, ask
from declaration_router.request import Asked, parse
from declaration_router.trace import HEADER, Trace, read_trace
from model_server.errors import BadRequestError
from model_server.telemetry import Telemetry

NAME = "declaration-router"
PATH = "/v1/declarations:assess"
JSON = ("content-type", "application/json")
TEXT = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]
MARGIN_SECONDS = 0.01  # of the budget, to put the answer together
OUTCOMES = tuple(f"{name} {state}" for name in NAMES for state in STATES)


@dataclass(frozen=True)
class Limits:
    """What a request may be at most, and how long an answer may take."""

    body_bytes: int = 64 << 10
    budget_seconds: float = 1.0


class Application:
    """Answers for declarations. Its interface is RSGI's `__rsgi__`."""

    def __init__(
        self, parts: Mapping[str, Part], telemetry: Telemetry, limits: Limits, client: httpx.AsyncClient
    ) -> None:
        self.parts = parts
        self.telemetry = telemetry
        self.limits = limits
        self.client = client

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto != "http":
            proto.close(None)
        elif scope.path == PATH:
            await self._assess(scope, proto)
        else:
            self._tell(scope, proto)

    async def _assess(self, scope: Any, proto: Any) -> None:
        began = asyncio.get_running_loop().time()
        self.telemetry.began()
        start = time.perf_counter()
        trace = read_trace(scope.headers.get(HEADER))
        try:
            if scope.method != "POST":
                raise BadRequestError(scope.path, f"{scope.method} is not answered here", "use POST", status=405)
            asked = parse(await self._body(scope, proto), self.limits.budget_seconds)
            status, document = await self.assess(asked, trace, began)
        except BadRequestError as error:
            status, document = error.status, {"error": str(error), "trace_id": trace.trace_id}
        seconds = time.perf_counter() - start
        self.telemetry.ended("v1", status, seconds)
        line = {"trace_id": trace.trace_id, "status": status, "seconds": round(seconds, 4)}
        line |= {name: part["state"] for name, part in document.get("parts", {}).items()}
        print(orjson.dumps(line).decode(), file=sys.stderr, flush=True)
        proto.response_bytes(status, [JSON, (HEADER, trace.header())], orjson.dumps(document))

    async def assess(self, asked: Asked, trace: Trace, began: float) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer: 200 whole or in part, 422 where a part refused, 503 where none answered."""
        deadline = began + max(asked.budget_seconds - MARGIN_SECONDS, asked.budget_seconds / 2)
        outcomes = dict.fromkeys(NAMES, Outcome("not deployed"))
        tasks = {name: ask(self.client, part, asked, trace, deadline) for name, part in self.parts.items()}
        outcomes |= dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))
        self.telemetry.counted([f"{name} {one.state}" for name, one in outcomes.items()])
        states = [one.state for one in outcomes.values()]
        answered = "answered" in states
        whole = not any(state in ("timed out", "failed", "refused") for state in states)
        document = {
            "trace_id": trace.trace_id,
            "outcome": "complete" if answered and whole else "partial" if answered else "none",
            "advice": advise(asked, outcomes),
            "parts": {name: one.document() for name, one in outcomes.items()},
        }
        if answered:
            return 200, document
        return (422 if "refused" in states else 503), document

    def _tell(self, scope: Any, proto: Any) -> None:
        ready = not self.telemetry.draining
        known: dict[str, tuple[int, dict[str, Any]]] = {
            "/": (200, {"status": "alive", "parts": {name: part.address for name, part in self.parts.items()}}),
            "/v2/health/live": (200, {"live": True}),
            "/v2/health/ready": (200 if ready else 503, {"ready": ready}),
        }
        if scope.method not in ("GET", "HEAD"):
            answer = (405, {"error": f"{scope.path}: {scope.method} is not answered here; use GET"})
        elif scope.path == "/metrics":
            proto.response_str(200, TEXT, self.telemetry.render(NAME, {}))
            return
        else:
            answer = known.get(scope.path, (404, {"error": f"{scope.path}: no such path; POST to {PATH}"}))
        proto.response_bytes(answer[0], [JSON], orjson.dumps(answer[1]))

    async def _body(self, scope: Any, proto: Any) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.budget_seconds):
                async for part in proto:
                    size += len(part)
                    if size > self.limits.body_bytes:
                        remedy = "send one declaration"
                        raise BadRequestError("body", f"more than {self.limits.body_bytes} bytes", remedy, status=413)
                    parts.append(bytes(part))
        except TimeoutError:
            raise BadRequestError("body", "did not come in time", "send it faster", status=408) from None
        return b"".join(parts)
