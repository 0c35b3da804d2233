"""The models that are asked: what each is sent, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import orjson

from declaration_router.request import VALUATION_FIELDS, Asked
from declaration_router.trace import HEADER, Trace

State = Literal["answered", "timed out", "failed", "refused", "not asked", "not deployed"]
NAMES = ("risk", "classification", "valuation")
STATES: tuple[State, ...] = ("answered", "timed out", "failed", "refused", "not asked", "not deployed")
REFUSALS = (400, 413, 422)


@dataclass(frozen=True)
class Part:
    """Where a model is asked: the address of its service, and its name there."""

    name: str
    url: str
    model: str

    @property
    def address(self) -> str:
        """Return the whole address of its predictions."""
        return f"{self.url.rstrip('/')}/v1/models/{self.model}:predict"


@dataclass(frozen=True)
class Outcome:
    """What came of asking one part."""

    state: State
    milliseconds: float = 0.0
    answer: Mapping[str, Any] | None = None
    model_digest: str | None = None
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as the answer tells it, without what is not there."""
        told: dict[str, Any] = {"state": self.state, "milliseconds": round(self.milliseconds, 1), "error": self.error}
        told |= {"answer": self.answer, "model_digest": self.model_digest}
        return {key: value for key, value in told.items() if value is not None}


def question(name: str, asked: Asked) -> tuple[dict[str, Any] | None, str]:
    """Return the V1 request for a part, or None and why it is not asked."""
    if name == "risk":
        return {"instances": [dict(asked.declaration)]}, ""
    if name == "classification":
        if asked.description is None:
            return None, "the request has no description of the goods"
        return {"instances": [{"description": asked.description}]}, ""
    goods = {field: asked.field(field) for field in VALUATION_FIELDS}
    missing = [field for field, value in goods.items() if value is None]
    if missing:
        return None, f"the declaration has no {missing[0]}"
    return {"instances": [goods]}, ""


async def ask(client: httpx.AsyncClient, part: Part, asked: Asked, trace: Trace, deadline: float) -> Outcome:
    """Ask one part until `deadline` (of the loop's clock). Never raises: what went wrong is the outcome."""
    body, why = question(part.name, asked)
    if body is None:
        return Outcome("not asked", error=why)
    start = time.perf_counter()

    def since() -> float:
        return (time.perf_counter() - start) * 1000

    try:
        async with asyncio.timeout_at(deadline):
            headers = {"content-type": "application/json", HEADER: trace.child().header()}
            response = await client.post(part.address, content=orjson.dumps(body), headers=headers)
        return read_answer(part, response.status_code, response.content, since())
    except TimeoutError:
        return Outcome("timed out", since(), error=f"{part.name} did not answer in time")
    except httpx.HTTPError as error:
        return Outcome("failed", since(), error=f"{part.name} cannot be reached: {type(error).__name__}")


def read_answer(part: Part, status: int, body: bytes, milliseconds: float) -> Outcome:
    """Return the outcome of a response."""
    try:
        document = orjson.loads(body)
        told = document.get("error") if isinstance(document, dict) else None
        if status in REFUSALS:
            return Outcome("refused", milliseconds, error=str(told or f"HTTP {status}"))
        if status != 200:
            return Outcome("failed", milliseconds, error=f"{part.name} answered with HTTP {status}")
        answer = document["predictions"][0]
        return Outcome("answered", milliseconds, answer, str(document.get("model_digest", "")) or None)
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return Outcome("failed", milliseconds, error=f"{part.name} gave no answer of the protocol (HTTP {status})")
