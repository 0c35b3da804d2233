"""A request's body, whole, within the limits of size and time."""

from __future__ import annotations

import asyncio
import contextlib
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
    try:
        async with asyncio.timeout(limits.read_seconds):
            return await _whole(scope, proto, limits.body_bytes)
    except TimeoutError:
        what = f"did not come within {limits.read_seconds:g} s"
        raise BadRequestError("body", what, "send it faster, or in parts", status=408) from None


async def discard(scope: Any, proto: Any, limits: Limits) -> None:
    """Read the body of a request that is refused before it was read, where it is small.

    A connection whose request was not read is closed after the answer, and the caller's next one may meet that.
    """
    declared = scope.headers.get("content-length")
    if declared is None and scope.headers.get("transfer-encoding") is None:
        return
    with contextlib.suppress(BadRequestError):
        await read(scope, proto, Limits(UNNEEDED_BYTES, read_seconds=limits.read_seconds))


async def _whole(scope: Any, proto: Any, limit: int) -> bytes:
    declared = scope.headers.get("content-length")
    too_large = BadRequestError("body", f"more than {limit} bytes", "send fewer records a request", status=413)
    if declared is not None and declared.isdigit():
        if int(declared) > limit:
            raise too_large
        whole: bytes = await proto()
        return whole
    parts, size = [], 0
    async for part in proto:
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def json_length(scope: Any, protocol: str) -> int | None:
    """Return how long the JSON is where binary tensors follow it. Raises BadRequestError where that is no length."""
    text = scope.headers.get(binary_tensors.HEADER)
    if text is None:
        return None
    if protocol == "v1":
        raise BadRequestError(binary_tensors.HEADER, "V1 has no binary tensors", "leave it out, or use V2")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadRequestError(binary_tensors.HEADER, f"{text[:20]!r} is no length", "send the bytes of the JSON")
    return int(text)
