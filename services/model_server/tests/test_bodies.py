"""Bodies are read whole, within the limits, and none waits for another that is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from model_server.bodies import Limits, Reader
from model_server.errors import BadRequestError

TOLD = {"content-length": "4"}
LIMITS = Limits(body_bytes=10, read_seconds=0.2)


class Body:
    """A body that comes after a while, whole or in parts; it is what RSGI hands a handler."""

    def __init__(self, seconds: float = 0.0, *parts: bytes) -> None:
        self.seconds = seconds
        self.parts = parts or (b"body",)

    async def __call__(self) -> bytes:
        await asyncio.sleep(self.seconds)
        return b"".join(self.parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await asyncio.sleep(self.seconds)
            yield part


def refused(work: object) -> BadRequestError:
    assert isinstance(work, BadRequestError)
    return work


def test_a_body_is_read_whole_or_in_parts() -> None:
    async def read() -> tuple[bytes, bytes]:
        reader = Reader(LIMITS)
        return await reader.read(TOLD, Body()), await reader.read({}, Body(0, b"bo", b"", b"dy"))

    assert asyncio.run(read()) == (b"body", b"body")


@pytest.mark.parametrize("headers", [{"content-length": "11"}, {}])
def test_a_body_over_the_limit_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadRequestError) as caught:
        asyncio.run(Reader(LIMITS).read(headers, Body(0, b"123456", b"78901")))
    assert caught.value.status == 413


@pytest.mark.parametrize("headers", [TOLD, {}])
def test_a_slow_body_is_given_up_when_its_own_time_is_over(headers: dict[str, str]) -> None:
    async def read() -> tuple[list[bytes | BaseException], list[float], int]:
        reader, ended = Reader(LIMITS), []

        async def one(begin: float, body: Body) -> bytes:
            await asyncio.sleep(begin)
            start = monotonic()
            try:
                return await reader.read(headers, body)
            finally:
                ended.append(monotonic() - start)

        slow = [one(0, Body(9)), one(0.1, Body(9)), one(0.15, Body(0.1)), one(0.15, Body())]
        found = await asyncio.gather(*slow, return_exceptions=True)
        again = await reader.read(headers, Body(0.05))  # the reader goes on
        task = asyncio.current_task()
        assert task is not None
        assert again == b"body"
        return found, ended, task.cancelling()

    found, ended, cancelling = asyncio.run(read())
    assert [refused(one).status for one in found[:2]] == [408, 408]
    assert found[2:] == [b"body", b"body"]
    assert max(ended) < 1
    assert sorted(ended)[-2] >= LIMITS.read_seconds
    assert cancelling == 0


def test_whoever_is_cancelled_is_not_told_that_the_body_is_slow() -> None:
    async def read() -> None:
        task = asyncio.create_task(Reader(LIMITS).read(TOLD, Body(9)))
        await asyncio.sleep(0.05)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(read())
