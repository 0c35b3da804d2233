"""Work that takes long, in a thread beside the event loop, which must still answer probes and small requests."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

GIVE_WAY_SECONDS = 0.0005  # after so long a thread lets the event loop go on, where Python's usual is 5 ms

_lock = threading.Lock()
_running = 0
_usual_seconds = sys.getswitchinterval()


async def aside(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `work` returns. Whoever is cancelled meanwhile leaves the thread to its end.

    Threads give way sooner only as long as one works: changing between them so often costs each request more
    processor time, where there is none.
    """

    def run() -> Any:
        _count(1)
        try:
            return work(*arguments)
        finally:
            _count(-1)

    return await asyncio.to_thread(run)


def _count(change: int) -> None:
    global _running
    with _lock:
        _running += change
        sys.setswitchinterval(GIVE_WAY_SECONDS if _running else _usual_seconds)
