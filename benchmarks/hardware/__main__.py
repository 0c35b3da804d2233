"""`python -m benchmarks.hardware [ROUNDS]`: figures of the checks beside the same tools by hand, on this machine."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.figures import figure, good, write
from benchmarks.hardware import by_hand
from portolan import paths
from portolan.conformity import disks, links
from portolan.conformity.depth import Depth
from portolan.conformity.reach import Answer
from portolan.conformity.run import site_plan
from portolan.conformity.world import World
from portolan.output import people
from portolan.sizing.plan import Plan

AGREEMENT = 0.05
ROUNDS = 5


class Here:
    """This machine in the place of a host: the scripts of the checks, run by the same shell."""

    def __init__(self) -> None:
        self.address = SimpleNamespace(address=by_hand.ADDRESS)

    def shell(self, script: str, *arguments: str) -> Answer:
        """Run a script as a host would."""
        done = subprocess.run(["sh", "-c", script, "sh", *arguments], capture_output=True, text=True, check=False)
        return Answer(status=done.returncode, output=done.stdout, errors=done.stderr)


@dataclass(frozen=True)
class Pair:
    """One figure, by the check and by hand."""

    name: str
    unit: str
    check: Any
    hand: Any


@cache
def _plan() -> Plan:
    return site_plan(paths.REPOSITORY / "sites" / "sandbox.yaml")


def world() -> World:
    """Return a world of two hosts that are both this machine; a new one measures anew."""
    hosts: Any = {"one": Here(), "two": Here()}
    return World(_plan(), hosts, Path("/nonexistent"), "http://127.0.0.1:9", depth=Depth.STANDARD)


def value(reading: Any) -> float:
    """Return a reading's figure; one that was not measured ends the comparison with its reason."""
    if not isinstance(reading.value, float):
        sys.exit(f"not measured: {reading.reason_not_measured}")
    return reading.value


def of_disk(probe: Any, key: str) -> float:
    """Return a disk's figure by its check."""
    return value(probe.reading(probe.run(world(), "one"), key))


PAIRS = (
    Pair("fio sequential read", "bytes/s", lambda: of_disk(disks.SEQUENTIAL_READ, "rate"),
         lambda: by_hand.fio("read", "1m", 16)),
    Pair("fio sequential write", "bytes/s", lambda: of_disk(disks.SEQUENTIAL_WRITE, "rate"),
         lambda: by_hand.fio("write", "1m", 16)),
    Pair("iperf3 over loopback", "bits/s", lambda: value(links.throughput(world(), "one", "two")), by_hand.iperf3),
)  # fmt: skip


def main() -> int:
    """Print and keep the figures; 1 where one differs by more than a twentieth."""
    figures, rounds = [], int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    missing = [tool for tool in ("fio", "iperf3") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} not installed here: apt-get install {' '.join(missing)}")
    for pair in PAIRS:
        check, hand = [], []
        for number in range(rounds):
            # Who goes first changes: what the machine does beside falls on both alike.
            if number % 2:
                hand.append(pair.hand())
            check.append(pair.check())
            if not number % 2:
                hand.append(pair.hand())
        mine, theirs = statistics.median(check), statistics.median(hand)
        command = f"python -m benchmarks.hardware {rounds}"
        statistic = f"median of {rounds}, in turns"
        figures += [
            figure(pair.name, mine, pair.unit, command, statistic=statistic, peer="by hand", peer_value=theirs),
            figure(
                f"{pair.name}: difference",
                abs(mine / theirs - 1),
                "ratio",
                command,
                statistic=statistic,
                target="within a twentieth of the same tool by hand",
                limit=AGREEMENT,
            ),
        ]
        people.print(f"{pair.name:22} {mine:14.4g} {theirs:14.4g} {mine / theirs:7.3f}")
    write("hardware", figures)
    return int(any(good(one) is False for one in figures))


if __name__ == "__main__":
    sys.exit(main())
