"""Callers who ask at a rate of their own, whether or not they are answered, and what each of them saw."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

TRIES = 10  # of one caller, the first included
PAUSE_SECONDS = 0.5  # before each further one
WORKERS = 48

# Sends one request, on a connection of its own where it is told so, and returns what is worth keeping of the answer.
Ask = Callable[[bool], str]


@dataclass(frozen=True)
class Call:
    """One caller: `seconds` count from when it should have asked; `failures` are its tries that failed."""

    kept_connection: bool
    seconds: float
    failures: tuple[str, ...]
    answer: str | None  # None: lost, after all tries


@dataclass
class Calls:
    """All callers so far."""

    calls: list[Call] = field(default_factory=list)

    @property
    def lost(self) -> list[Call]:
        """Who got no answer at all."""
        return [one for one in self.calls if one.answer is None]

    @property
    def failed_at_first(self) -> list[Call]:
        """Who had to ask again."""
        return [one for one in self.calls if one.failures]

    @property
    def longest_seconds(self) -> float:
        return max((one.seconds for one in self.calls), default=0.0)

    def quantile_seconds(self, quantile: float) -> float:
        ordered = sorted(one.seconds for one in self.calls)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else 0.0

    def answers(self) -> Counter[str]:
        """How many were answered by what."""
        return Counter(one.answer for one in self.calls if one.answer is not None)

    def what_failed(self) -> Counter[str]:
        """What the callers saw, and how often."""
        return Counter(failure for one in self.calls for failure in one.failures)


def _call(ask: Ask, kept: bool, intended: float) -> Call:
    failures: list[str] = []
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE_SECONDS)
        try:
            answer = ask(kept)
            return Call(kept, time.monotonic() - intended, tuple(failures), answer)
        except httpx.HTTPStatusError as error:
            failures.append(f"{error.response.status_code} {error.response.text[:200]}")
        except httpx.HTTPError as error:
            failures.append(repr(error)[:200])
    return Call(kept, time.monotonic() - intended, tuple(failures), None)


@contextmanager
def asking(ask: Ask, per_second: float) -> Iterator[Calls]:
    """Ask so many times a second until the end; every second caller keeps its connection for the next one."""
    calls, stop = Calls(), threading.Event()

    def schedule(pool: ThreadPoolExecutor) -> None:
        begin, number = time.monotonic(), 0
        while not stop.is_set():
            intended = begin + number / per_second
            if stop.wait(max(0.0, intended - time.monotonic())):
                return
            future = pool.submit(_call, ask, number % 2 == 0, intended)
            future.add_done_callback(lambda done: calls.calls.append(done.result()))
            number += 1

    with ThreadPoolExecutor(WORKERS) as pool:
        scheduler = threading.Thread(target=schedule, args=(pool,))
        scheduler.start()
        try:
            yield calls
        finally:
            stop.set()
            scheduler.join()


class Client:
    """Asks one of several addresses in turn for scores of a declaration; `ask` is an `Ask`."""

    def __init__(self, urls: Sequence[str], path: str, body: Any, **options: Any) -> None:
        self._urls, self._path, self._body, self._options = urls, path, body, {"timeout": 20, **options}
        self._kept = httpx.Client(trust_env=False, **self._options)
        self._turn = 0

    def ask(self, kept: bool) -> str:
        """Return the digest of the model that answered. Raises httpx.HTTPError where none did."""
        self._turn += 1
        url = self._urls[self._turn % len(self._urls)] + self._path
        if kept:
            return self._digest(self._kept.post(url, json=self._body))
        with httpx.Client(trust_env=False, **self._options) as alone:
            return self._digest(alone.post(url, json=self._body))

    def _digest(self, answer: httpx.Response) -> str:
        return str(answer.raise_for_status().json()["model_digest"])

    def close(self) -> None:
        """Close the connections that are kept."""
        self._kept.close()
