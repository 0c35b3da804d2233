"""Errors of sizing against published examples, coverage of published rates, and the time that commands take.

`python -m benchmarks.sizing` prints and keeps them; it ends with 1 where one misses its limit.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, figure, good, show, write
from benchmarks.sizing.examples import EXAMPLES
from benchmarks.sizing.rates import coverage, rates
from portolan.paths import REPOSITORY

COMMAND = "python -m benchmarks.sizing"
SOURCE = "MLPerf Inference, RetinaNet, Offline"
LARGEST_ERROR = 0.02  # of a formula against the number of its source, which is printed with three digits
LARGEST_RATE_ERROR = 0.35  # of the planned rate of one GPU
SECONDS, SECONDS_OF_MANY_DRAWS, BYTES = 10.0, 60.0, 1e9


def examples() -> list[Figure]:
    """Return the error of each formula, as a share of the published number."""
    found = []
    for one in EXAMPLES:
        ours = one.ours()
        error = abs(ours / one.published - 1)
        print(f"{one.name:44} {ours:14.6g} {one.published:14.6g} {one.unit:12} {error:8.2%}  {one.source}")
        found.append(figure(f"error: {one.name}", error, "share", COMMAND, target=one.source, limit=LARGEST_ERROR))
    return found


def published_rates() -> list[Figure]:
    """Return the error against each published rate, and how many of them P10 to P90 covers."""
    all_rates = rates()
    found = []
    for one in all_rates:
        mark = "within" if one.covered else "outside"
        print(f"{one.name:44} {one.planned:10.1f} {one.published:10.1f} images/s {one.error:+8.1%}  {mark} P10 to P90")
        found.append(
            figure(f"rate error: {one.name}", abs(one.error), "share", COMMAND, target=SOURCE, limit=LARGEST_RATE_ERROR)
        )
    share = coverage(all_rates)
    print(f"P10 to P90 covers {share:.0%} of {len(all_rates)} published rates (nominal 80 %)")
    # The limit is on what lies outside: at most twice the nominal fifth.
    found.append(figure("outside P10 to P90", 1 - share, "share", COMMAND, target="nominal 0.2", limit=0.4))
    return found


def timed(name: str, arguments: list[str], limit: float) -> list[Figure]:
    """Return wall time and largest memory of one command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "from portolan.cli import run; run()", *arguments],
        check=True,
        capture_output=True,
        timeout=600,
    )
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{name:44} {wall:7.2f} s {processor:7.2f} s of processor {after.ru_maxrss / 1000:7.0f} MB at most", flush=True
    )
    return [
        figure(f"{name}: processor time", processor, "s", COMMAND, limit=limit),
        figure(f"{name}: wall time", wall, "s", COMMAND),
        figure(f"{name}: largest memory so far", after.ru_maxrss * 1024.0, "bytes", COMMAND, limit=BYTES),
    ]


def commands() -> list[Figure]:
    """Return time and memory of size, cost and report for each example site."""
    found = []
    with tempfile.TemporaryDirectory() as out:
        for path in sorted((REPOSITORY / "sites").glob("*.yaml")):
            site = str(path)
            found += timed(f"size {path.stem}", ["size", site, "-o", "json"], SECONDS)
            found += timed(f"cost {path.stem}", ["cost", site, "-o", "json"], SECONDS)
            found += timed(f"report {path.stem}", ["report", site, "--out", str(Path(out))], SECONDS)
        many = str(REPOSITORY / "sites" / "korea.yaml")
        found += timed("cost korea, 10,000 draws", ["cost", many, "--draws", "10000"], SECONDS_OF_MANY_DRAWS)
        report = ["report", many, "--draws", "10000", "--out", out]
        found += timed("report korea, 10,000 draws", report, SECONDS_OF_MANY_DRAWS)
    return found


def main() -> int:
    """Print and keep the figures; 1 where one misses its limit."""
    found = [*examples(), *published_rates()]
    if "--no-commands" not in sys.argv:
        found += commands()
    path = write("sizing", found)
    show("Sizing", found, path)
    return int(any(good(one) is False for one in found))


if __name__ == "__main__":
    sys.exit(main())
