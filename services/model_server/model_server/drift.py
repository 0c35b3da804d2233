"""How far what is asked today is from a reference: PSI, KS and Jensen-Shannon distance of shares.

A reference holds the shares of each field's values: `{"values": [...], "shares": [...]}` for texts (the last share is
of all others), `{"ends": [...], "shares": [...]}` for numbers. Too few records give no figure: not measured is not "no
drift".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LEAST_RECORDS = 200
WINDOW_RECORDS = 20_000  # after so many a worker counts all it has seen for half: what is older fades
WARN, ALARM = 0.1, 0.25  # the usual reading of a population stability index
LEAST_SHARE = 1e-4  # stands for a share of nothing, whose logarithm is none
SCORE = "score"

Verdict = Literal["steady", "warn", "alarm", "not measured"]
Shares = NDArray[np.float64]


def verdict(index: float) -> Verdict:
    """Return what a population stability index means.

    >>> verdict(0.12)
    'warn'
    """
    if index >= ALARM:
        return "alarm"
    return "warn" if index >= WARN else "steady"


def psi(before: Shares, now: Shares) -> float:
    """Return the population stability index of two lists of shares."""
    a, b = np.maximum(before, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return float(((b - a) * np.log(b / a)).sum())


def kolmogorov_smirnov(before: Shares, now: Shares) -> float:
    """Return the largest distance of the two cumulative shares, on the reference's intervals."""
    return float(np.abs(np.cumsum(before) - np.cumsum(now)).max())


def jensen_shannon(before: Shares, now: Shares) -> float:
    """Return the Jensen-Shannon distance (base 2: 0 where equal, 1 where nothing is shared)."""
    middle = (before + now) / 2

    def divergence(shares: Shares) -> float:
        there = shares > 0
        return float((shares[there] * np.log2(shares[there] / middle[there])).sum())

    return float(np.sqrt(max(0.0, (divergence(before) + divergence(now)) / 2)))


def compared(field: Mapping[str, Any], now: Shares, records: int, known: int) -> dict[str, Any]:
    """Return PSI, KS, JS and a verdict of one field, or that there were too few records on one of the sides."""
    if min(records, known) < LEAST_RECORDS:
        return {"verdict": "not measured", "declarations": records}
    before = np.array(field["shares"])
    index = psi(before, now)
    return {
        "psi": round(index, 4),
        "js": round(jensen_shannon(before, now), 4),
        # categories have no order, and so no KS
        "ks": round(kolmogorov_smirnov(before, now), 4) if "ends" in field else None,
        "verdict": verdict(index),
        "declarations": records,
    }


class Monitor:
    """Counts what is asked in the intervals of a reference, in cells that all workers share."""

    def __init__(self, reference: Mapping[str, Any] | None) -> None:
        self.records = int(reference["declarations"]) if reference else 0
        self.fields: Mapping[str, Mapping[str, Any]] = dict(reference["fields"]) if reference else {}
        self.begins: dict[str, int] = {}
        self.size = 1  # the first cell counts records
        for name, field in self.fields.items():
            self.begins[name] = self.size
            self.size += len(field["shares"])
        self._texts: list[tuple[str, dict[str, int], int]] = []  # the cell of each value, and that of all others
        self._numbers: list[tuple[str, int, list[float]]] = []
        for name, field in self.fields.items():
            if "ends" in field:
                self._numbers.append((name, self.begins[name], list(field["ends"])))
            else:
                places = {value: self.begins[name] + i for i, value in enumerate(field["values"])}
                self._texts.append((name, places, self.begins[name] + len(places)))

    def count(self, cells: memoryview[float], records: Sequence[Any], scores: Sequence[float]) -> None:
        """Count records and their scores; a field that a record has not is left out."""
        for record, score in zip(records, scores, strict=True):
            cells[0] += 1
            if type(record) is not dict and not isinstance(record, Mapping):
                record = {}
            for name, places, other in self._texts:
                if (value := record.get(name)) is not None:
                    cells[places.get(value, other)] += 1
            for name, begin, ends in self._numbers:
                number = score if name == SCORE else record.get(name)
                if number is not None:
                    cells[begin + bisect_left(ends, number)] += 1
        if cells[0] > WINDOW_RECORDS:
            for i in range(self.size):
                cells[i] //= 2

    def compare(self, cells: NDArray[np.float64]) -> dict[str, dict[str, Any]]:
        """Return PSI, KS, JS and a verdict by field."""
        found = {}
        for name, field in self.fields.items():
            counts = cells[self.begins[name] : self.begins[name] + len(field["shares"])]
            seen = counts.sum()
            found[name] = compared(field, counts / max(1.0, seen), int(seen), self.records)
        return found


def render(model: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what was compared as Prometheus text; a field that is not measured has a count alone."""
    lines = []
    for measure, text in (
        ("psi", "Population stability index against the training's reference."),
        ("ks", "Kolmogorov-Smirnov distance against the training's reference."),
        ("js", "Jensen-Shannon distance against the training's reference."),
    ):
        lines += [f"# HELP model_server_drift_{measure} {text}", f"# TYPE model_server_drift_{measure} gauge"]
        lines += [
            f'model_server_drift_{measure}{{model="{model}",field="{name}"}} {one[measure]}'
            for name, one in found.items()
            if one.get(measure) is not None
        ]
    lines += [
        "# HELP model_server_drift_records Records that the figures are of; fewer than 200 give none.",
        "# TYPE model_server_drift_records gauge",
    ]
    lines += [
        f'model_server_drift_records{{model="{model}",field="{name}"}} {one["declarations"]}'
        for name, one in found.items()
    ]
    return "\n".join([*lines, ""]) if found else ""
