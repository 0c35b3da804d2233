"""Errors of sizing against published examples, coverage of published rates, and the time that commands take.

`python -m benchmarks.sizing` prints and keeps them; it ends with 1 where one misses its limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.figures import Figure, figure, good, show, write
from benchmarks.sizing.examples import EXAMPLES
from benchmarks.sizing.rates import coverage, rates
from portolan.paths import REPOSITORY

COMMAND = "python -m benchmarks.sizing"
SOURCE = "MLPerf Inference, RetinaNet, Offline"
LARGEST_ERROR = 0.02  # of a formula against the number of its source, which is printed with three digits
LARGEST_RATE_ERROR = 0.35  # of the planned rate of one GPU
SECONDS, SECONDS_OF_MANY_DRAWS, BYTES = 10.0, 60.0, 1e9
LANGUAGES = ("en", "fr")


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
    """Return wall time, processor time and largest memory of one command, as its user runs it: compiled once before."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", "from portolan.cli import run; run()", *arguments],
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall, processor, memory = time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024.0
    if process.returncode:
        raise SystemExit(f"{name}: portolan {' '.join(arguments)} ended with {process.returncode}")
    kept = "within" if wall <= limit and memory <= BYTES else "MISSES"
    print(
        f"{name:44} {wall:7.2f} s ({processor:.2f} s of processor) {memory / 1e6:7.0f} MB  "
        f"{kept} {limit:g} s and {BYTES / 1e6:,.0f} MB",
        flush=True,
    )
    return [
        figure(f"{name}: wall time", wall, "s", COMMAND, limit=limit),
        figure(f"{name}: processor time", processor, "s", COMMAND),
        figure(f"{name}: largest memory", memory, "bytes", COMMAND, limit=BYTES),
    ]


def commands() -> list[Figure]:
    """Return time and memory of size, cost, report (all formats, each language) and explain for each example site."""
    found = []
    with tempfile.TemporaryDirectory() as out:
        sites = sorted((REPOSITORY / "sites").glob("*.yaml"))
        timed("(first run, compiles)", ["report", str(sites[0]), "--out", out], SECONDS_OF_MANY_DRAWS)
        for path in sites:
            site = str(path)
            item = "services.risk-scoring.replicas" if path.stem == "sandbox" else "bill.on-prem.installation"
            found += timed(f"size {path.stem}", ["size", site, "-o", "json"], SECONDS)
            found += timed(f"cost {path.stem}", ["cost", site, "-o", "json"], SECONDS)
            for language in LANGUAGES:
                arguments = ["report", site, "--lang", language, "--out", out]
                found += timed(f"report {path.stem} {language}", arguments, SECONDS)
            found += timed(f"explain {path.stem}", ["explain", site, item], SECONDS)
            if path.stem != "sandbox":
                many = ["--draws", "10000"]
                found += timed(f"cost {path.stem}, 10,000 draws", ["cost", site, *many], SECONDS_OF_MANY_DRAWS)
                for language in LANGUAGES:
                    report = ["report", site, "--lang", language, *many, "--out", out]
                    found += timed(f"report {path.stem} {language}, 10,000 draws", report, SECONDS_OF_MANY_DRAWS)
    for unit, words in (("s", "wall time"), ("bytes", "largest memory")):
        worst = max((one for one in found if one.name.endswith(words)), key=lambda one: one.value / (one.limit or 1))
        print(f"nearest to its limit: {worst.name}, {worst.value:g} {unit} of {worst.limit:g}")
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
