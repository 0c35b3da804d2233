"""What every making needs: the store, the network, the turns, and a voice."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from portolan.bundle.lock import Lock
from portolan.bundle.network import Network, Sources
from portolan.bundle.processes import run
from portolan.bundle.slots import Slots
from portolan.bundle.store import Store

# What may run at once on two cores: one compiler (it uses all cores itself), one image or root, four downloads.
SLOTS = {"compile": 1, "build": 1, "download": 4}


class Workshop:
    """The tools of one build."""

    def __init__(self, cache: Path, lock: Lock, sources: Sources, say: Callable[[str, str], None]) -> None:
        self.cache = cache
        self.lock = lock
        self.sources = sources
        self.store = Store(cache)
        self.network = Network(cache / "downloads")
        self.say = say
        self.seconds_by_phase: dict[tuple[str, str], float] = defaultdict(float)
        self._slots = {name: Slots(count) for name, count in SLOTS.items()}
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def turn(self, resource: str, artefact: str, phase: str, priority: int = 0) -> Iterator[None]:
        """Wait for a turn at a resource, then work; the working time is counted under `phase`."""
        with self._slots[resource].take(priority):
            self.say(artefact, phase)
            begin = time.monotonic()
            try:
                yield
            finally:
                with self._guard:
                    self.seconds_by_phase[artefact, phase] += time.monotonic() - begin

    def log(self, artefact: str) -> Path:
        """Return the log file of one artefact."""
        return self.cache / "logs" / "bundle" / f"{artefact.replace('/', '-')}.log"

    def run(
        self,
        artefact: str,
        argv: Sequence[str],
        *,
        remedy: str,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> str:
        """Run a program for an artefact; see `portolan.bundle.processes.run`."""
        return run(argv, log=self.log(artefact), where=artefact, remedy=remedy, cwd=cwd, environment=environment)
