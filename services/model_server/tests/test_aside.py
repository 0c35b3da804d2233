"""Threads give way to the event loop sooner as long as one of them works, and no longer."""

from __future__ import annotations

import asyncio
import sys
from threading import Event

import pytest

from model_server.aside import GIVE_WAY_SECONDS, aside

USUAL = sys.getswitchinterval()


def test_threads_give_way_sooner_until_the_last_has_ended() -> None:
    first, second = Event(), Event()

    async def work() -> list[float]:
        seen = []
        both = [asyncio.create_task(aside(one.wait, 10)) for one in (first, second)]
        await asyncio.sleep(0.1)
        seen.append(sys.getswitchinterval())
        first.set()
        await both[0]
        seen.append(sys.getswitchinterval())
        second.set()
        await both[1]
        return [*seen, sys.getswitchinterval()]

    assert asyncio.run(work()) == pytest.approx([GIVE_WAY_SECONDS, GIVE_WAY_SECONDS, USUAL])


def test_what_fails_ends_it_too() -> None:
    def fail() -> None:
        raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        asyncio.run(aside(fail))
    assert sys.getswitchinterval() == pytest.approx(USUAL)
