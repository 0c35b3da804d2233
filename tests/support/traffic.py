"""A client that never stops: writes through the API, or requests to a service, and what became of each."""

from __future__ import annotations

import itertools
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from portolan.conformity.reach import api_client

CONNECT_SECONDS, READ_SECONDS = 1, 2
NAMESPACE = "writer"


@dataclass
class Traffic:
    """Does one thing again and again in a thread of its own, until the block ends."""

    act: Callable[[int], None]  # raises where the act failed
    pause_seconds: float = 0.1
    succeeded: list[tuple[float, int]] = field(default_factory=list)  # when it was acknowledged, and its number
    failed: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._begin = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(timeout=30)
        self._end = time.monotonic()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                self.act(number)
                self.succeeded.append((time.monotonic(), number))
            except Exception as error:
                self.failed.append((time.monotonic(), f"{type(error).__name__}: {error}"[:200]))
            number += 1
            self._stop.wait(self.pause_seconds)

    @property
    def longest_gap_seconds(self) -> float:
        """Return the longest time without a success, from the beginning to the end of the block."""
        times = [self._begin, *(at for at, _ in self.succeeded), getattr(self, "_end", time.monotonic())]
        return max(after - before for before, after in itertools.pairwise(times))


class ConfigMapWriter:
    """Writes one ConfigMap a number into a namespace of its own, through whatever the kubeconfig names."""

    def __init__(self, kubeconfig: Path) -> None:
        from kubernetes import client

        self._core: Any = client.CoreV1Api(api_client(kubeconfig))
        self._prefix = f"write-{time.time_ns()}-"  # what an earlier writer left is not this one's

    def prepare(self) -> None:
        """Make the namespace, empty."""
        self._core.create_namespace({"metadata": {"name": NAMESPACE}})

    def __call__(self, number: int) -> None:
        document = {"metadata": {"name": f"{self._prefix}{number}"}, "data": {"number": str(number)}}
        self._core.create_namespaced_config_map(NAMESPACE, document, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))

    def stored(self) -> set[int]:
        """Return the numbers that the cluster has."""
        found = self._core.list_namespaced_config_map(NAMESPACE, _request_timeout=60).items
        return {int(entry.data["number"]) for entry in found if entry.metadata.name.startswith(self._prefix)}

    def clear(self) -> None:
        """Remove everything that was written."""
        self._core.delete_collection_namespaced_config_map(NAMESPACE, _request_timeout=60)


def get(url: str, seconds: float = READ_SECONDS) -> Callable[[int], None]:
    """Return an act that fetches an address and must be answered with 200."""

    def act(number: int) -> None:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            if answer.status != 200:
                raise OSError(f"HTTP {answer.status}")

    return act
