"""Figures of the kit's own benchmarks, read where they were written: how many miss the limit that they are held to.

A benchmark writes `build/benchmarks/NAME.json`, each figure with its host, time and command; here they become evidence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from portolan import paths
from portolan.conformity.check import Check, Reading, nothing
from portolan.conformity.depth import Depth

if TYPE_CHECKING:
    from portolan.conformity.world import World

# What a benchmark tries out; the file of that name under build/benchmarks holds its figures.
BENCHMARKS = {
    "serving": "risk scoring beside other servers and the ceiling",
    "training": "distributed training",
    "streaming": "tracking streams",
    "provisioning": "building hosts and platform",
    "availability": "failover, backup, restore and upgrade",
}
# Where no benchmark has written, the record of this scenario's last full pass stands in.
SCENARIOS = {"availability": "high-availability"}
OLDEST = timedelta(days=90)  # an assumption of this kit: what was measured a quarter ago says nothing of today
FIELDS = ("name", "value", "unit", "host", "time", "command")


def beyond_limit(figure: dict[str, Any]) -> bool:
    """Return whether a figure misses its limit: the ratio to its peer, or without peer the value itself.

    >>> beyond_limit({"value": 3.0, "ratio": None, "limit": 2.0}), beyond_limit({"value": 3.0, "limit": None})
    (True, False)
    """
    limit = figure.get("limit")
    if limit is None:
        return False
    ratio = figure.get("ratio")
    return bool((figure["value"] if ratio is None else ratio) > limit)


def read_figures(text: str) -> Reading:
    """Return how many figures miss their limit; pure.

    Raises ValueError where the text is no list of figures.
    """
    figures = json.loads(text)
    if not isinstance(figures, list) or any(not isinstance(f, dict) or set(FIELDS) - set(f) for f in figures):
        raise ValueError("no list of figures")
    held = [figure for figure in figures if figure.get("limit") is not None]
    if not held:
        return nothing(f"none of {len(figures)} figures is held to a limit")
    missed = [f"{figure['name']}: {figure['value']:g} {figure['unit']}" for figure in held if beyond_limit(figure)]
    origin = f"{held[0]['host']}, {min(str(figure['time']) for figure in held)}"
    told = f"missed: {'; '.join(missed[:3])}" if missed else f"{len(held)} figures within their limits"
    return Reading(float(len(missed)), detail=f"{told} ({origin})")


def written(name: str) -> str | None:
    """Return what a benchmark has written here, None where it has written nothing."""
    path = paths.build() / "benchmarks" / f"{name}.json"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    record = paths.REPOSITORY / "tests" / "scenarios" / "passed" / f"{SCENARIOS.get(name, name)}.json"
    return from_record(record.read_text(encoding="utf-8")) if record.is_file() else None


def from_record(text: str) -> str:
    """Return the record of a scenario's full pass as a benchmark's figures: its tests, none of which failed, first.

    Raises ValueError where the text is no record.
    """
    record = json.loads(text)
    try:
        origin = {"host": record["host"], "time": record["passed_at"]}
        command = f"make scenario {record['scenario']}"
        name = f"scenario {record['scenario']}: tests that failed, of {record['tests']}"
        first = {"name": name, "value": 0.0, "unit": "tests", "limit": 0.0, "command": command, **origin}
        others = [{"command": command, **figure, **origin} for figure in record["figures"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no record of a scenario: {error}") from None
    return json.dumps([first, *others])


def _measured(name: str) -> Callable[[World, str, str], Reading]:
    def measure(world: World, subject: str, statistic: str) -> Reading:
        try:
            text = written(name)
            if text is None:
                return nothing(f"benchmarks/{name} has written no figures here")
            reading = read_figures(text)
            oldest = min((str(figure["time"]) for figure in json.loads(text)), default="")
        except (ValueError, TypeError) as error:
            return nothing(f"build/benchmarks/{name}.json is not what a benchmark writes: {error}")
        if reading.value is not None and datetime.now(UTC) - datetime.fromisoformat(oldest) > OLDEST:
            return nothing(f"figures of benchmarks/{name} are of {oldest}: too old to say anything of today")
        return Reading(reading.value, reading.detail, reading.reason_not_measured, raw=text)

    return measure


CHECKS = tuple(
    Check(
        f"platform.benchmark-{name}", f"figures of {what} that miss the limit they are held to", "figures",
        f"build/benchmarks/{name}.json", _measured(name), depth=Depth.STANDARD, ground="measured",
        reread=lambda raw, statistic: read_figures(raw),
    )
    for name, what in BENCHMARKS.items()
)  # fmt: skip
