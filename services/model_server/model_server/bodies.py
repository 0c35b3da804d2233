"""A request's body, whole, within the limits of size and time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

from model_server import binary_tensors
from model_server.errors import BadRequestError

# How much of a body that nobody needs is read, so that its connection stays open: what a machine has received anyway.
UNNEEDED_BYTES = 64 << 10


@dataclass(frozen=True)
class Limits:
    """What a request may be at most, and how long it may take to come and to be answered."""

    body_bytes: int = 8 << 20
    rows: int = 2000
    read_seconds: float = 10.0
    answer_seconds: float = 60.0


async def read(scope: Any, proto: Any, limits: Limits) -> bytes:
    """Return the body. Raises BadRequestError where it is too large or too slow."""
    told = _fits(scope.headers.get("content-length"), limits.body_bytes)
    try:
        async with asyncio.timeout(limits.read_seconds):
            whole: bytes = await (proto() if told else _parts(proto, limits.body_bytes))
            return whole
    except TimeoutError:
        raise _too_slow(limits) from None


class Reader:
    """Reads many bodies at once, as `read` does, with one timer for all of them.

    All may take equally long, so the one that began first is the first that can be late. A timer for each request costs
    more than all else that reading does.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pending: dict[asyncio.Task[Any], float] = {}  # until when, in the order in which they began
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, headers: Any, proto: Any) -> bytes:
        """Return the body. Raises BadRequestError where it is too large or too slow."""
        limits = self._limits
        task = asyncio.current_task()
        assert task is not None
        told = _fits(headers.get("content-length"), limits.body_bytes)
        self._pending[task] = time.monotonic() + limits.read_seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(limits.read_seconds, self._expire)
        try:
            whole: bytes = await (proto() if told else _parts(proto, limits.body_bytes))
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel():
                raise  # the server is being stopped
            raise _too_slow(limits) from None
        finally:
            del self._pending[task]
            self._late.discard(task)
        return whole

    def _expire(self) -> None:
        """Cancel what is late, and come back when the next one may be."""
        self._timer = None
        now = time.monotonic()
        for task, until in self._pending.items():
            if until > now:
                self._timer = asyncio.get_running_loop().call_later(until - now, self._expire)
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()


async def discard(scope: Any, proto: Any, limits: Limits) -> None:
    """Read the body of a request that is refused before it was read, where it is small.

    A connection whose request was not read is closed after the answer, and the caller's next one may meet that.
    """
    declared = scope.headers.get("content-length")
    if declared is None and scope.headers.get("transfer-encoding") is None:
        return
    with contextlib.suppress(BadRequestError):
        await read(scope, proto, Limits(UNNEEDED_BYTES, read_seconds=limits.read_seconds))


def _fits(declared: str | None, limit: int) -> bool:
    """Return whether a body tells its length. Raises BadRequestError where that is more than `limit` bytes."""
    if declared is None or not declared.isdigit():
        return False
    if int(declared) > limit:
        raise _too_large(limit)
    return True


async def _parts(proto: Any, limit: int) -> bytes:
    parts, size = [], 0
    async for part in proto:
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> BadRequestError:
    return BadRequestError("body", f"more than {limit} bytes", "send fewer records a request", status=413)


def _too_slow(limits: Limits) -> BadRequestError:
    what = f"did not come within {limits.read_seconds:g} s"
    return BadRequestError("body", what, "send it faster, or in parts", status=408)


def json_length(headers: Any, protocol: str) -> int | None:
    """Return how long the JSON is where binary tensors follow it. Raises BadRequestError where that is no length."""
    text = headers.get(binary_tensors.HEADER)
    if text is None:
        return None
    if protocol == "v1":
        raise BadRequestError(binary_tensors.HEADER, "V1 has no binary tensors", "leave it out, or use V2")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadRequestError(binary_tensors.HEADER, f"{text[:20]!r} is no length", "send the bytes of the JSON")
    return int(text)
