"""One figure of a benchmark, and the file that keeps a benchmark's figures."""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from portolan import paths
from portolan.model import Model
from portolan.output import people, table


class Figure(Model):
    """A number that was measured, beside what it is held against.

    `ratio` is value over peer value; `limit` is the largest ratio (or, without peer, the largest value) that is good.
    """

    name: str
    value: float
    unit: str
    statistic: str
    target: str | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    limit: float | None = None
    host: str
    time: str
    command: str


def figure(
    name: str,
    value: float,
    unit: str,
    command: str,
    *,
    statistic: str = "value",
    target: str | None = None,
    peer: str | None = None,
    peer_value: float | None = None,
    limit: float | None = None,
) -> Figure:
    """Return a figure of now and here, with the ratio to its peer."""
    ratio = value / peer_value if peer_value else None
    return Figure(
        name=name,
        value=round(value, 4),
        unit=unit,
        statistic=statistic,
        target=target,
        peer=peer,
        peer_value=None if peer_value is None else round(peer_value, 4),
        ratio=None if ratio is None else round(ratio, 3),
        limit=limit,
        host=f"{socket.gethostname()}, {os.cpu_count()} cores",
        time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        command=command,
    )


def median(values: Sequence[float]) -> float:
    """Return the middle value; the lower of the two where their number is even."""
    return sorted(values)[math.ceil(len(values) / 2) - 1]


def good(one: Figure) -> bool | None:
    """Return whether a figure is within its limit, None where it has none."""
    if one.limit is None:
        return None
    return (one.value if one.ratio is None else one.ratio) <= one.limit


def write(benchmark: str, figures: Sequence[Figure]) -> Path:
    """Write build/benchmarks/NAME.json in one step; figures of an earlier run that were not measured now are kept."""
    path = paths.build() / "benchmarks" / f"{benchmark}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = {one.name: one for one in figures}
    old = [Figure.model_validate(entry) for entry in json.loads(path.read_text("utf-8"))] if path.exists() else []
    kept = [one for one in old if one.name not in new]
    draft = path.with_suffix(".part")
    document = [one.model_dump(mode="json") for one in (*kept, *figures)]
    draft.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def show(title: str, figures: Sequence[Figure], path: Path) -> None:
    """Print the figures for people."""
    words = {True: "good", False: "MISSED", None: ""}
    rows = [
        (
            one.name,
            f"{one.value:g} {one.unit}",
            one.peer or "",
            "" if one.peer_value is None else f"{one.peer_value:g} {one.unit}",
            "" if one.ratio is None else f"{one.ratio:.2f}",
            "" if one.limit is None else f"{one.limit:g}",
            words[good(one)],
        )
        for one in figures
    ]
    table(title, ("figure", "value", "peer", "peer's value", "ratio", "limit", ""), rows)
    people.print(f"written: {path}", markup=False)
