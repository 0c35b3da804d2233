"""Work that takes long, in a thread beside the event loop, which must still answer probes and small requests."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

GIVE_WAY_SECONDS = 0.0005  # after so long a thread lets the event loop go on, where Python's usual is 5 ms

_lock = threading.Lock()
_running = 0
_usual_seconds = sys.getswitchinterval()


async def aside(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `work` returns. Whoever is cancelled meanwhile leaves the thread to its end."""

    def run() -> Any:
        with giving_way():
            return work(*arguments)

    return await asyncio.to_thread(run)


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """While a thread works inside, threads give way sooner.

    Not at other times: changing between threads so often costs each request more processor time.
    """
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _running
    with _lock:
        _running += change
        sys.setswitchinterval(GIVE_WAY_SECONDS if _running else _usual_seconds)
