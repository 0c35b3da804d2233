"""The reference that a model's declarations are compared with, and what comes out (see `model_server.drift`).

A reference holds the shares of each field's values (numbers in tenths of the reference). Too few declarations give no
figure: not measured is not "no drift".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_server.drift import compared
from risk_scoring.schema import Row

VALUES_MOST = 20  # the most frequent values of a field; the rest is one value

TEXTS = ("country_of_origin", "country_of_departure", "office_id", "import_type", "mode_of_transport", "tax_type")
NUMBERS = ("net_mass", "item_price", "tax_rate")
OTHER = "other"


def reference(rows: Sequence[Row], scores: NDArray[np.float64] | None) -> dict[str, Any]:
    """Return the shares by field, and of the score where there is one, as plain data.

    A model's scores of what it has learnt from are no reference: give those of later declarations.
    """
    fields: dict[str, Any] = {}
    for name in TEXTS:
        frequent = [value for value, _ in sorted(Counter(str(r[name]) for r in rows).items(), key=_rank)[:VALUES_MOST]]
        fields[name] = {"values": frequent}
    columns = {name: np.array([float(row[name]) for row in rows]) for name in NUMBERS}
    if scores is not None:
        columns["score"] = scores
    for name, values in columns.items():
        ends = np.unique(np.quantile(values, np.arange(1, 10) / 10))
        fields[name] = {"ends": [float(f"{end:.12g}") for end in ends]}
    for name, field in fields.items():
        field["shares"] = [round(float(s), 6) for s in _shares(field, _values(name, rows, scores))]
    return {"declarations": len(rows), "fields": fields}


def compare(
    known: Mapping[str, Any], rows: Sequence[Row], scores: NDArray[np.float64] | None
) -> dict[str, dict[str, Any]]:
    """Return PSI, KS, JS and a verdict for each field of the reference `known`."""
    return {
        name: compared(field, _shares(field, _values(name, rows, scores)), len(rows), known["declarations"])
        for name, field in known["fields"].items()
    }


def _rank(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]


def _values(name: str, rows: Sequence[Row], scores: NDArray[np.float64] | None) -> Sequence[Any]:
    if name == "score":
        return [] if scores is None else scores.tolist()
    return [row[name] for row in rows]


def _shares(field: Mapping[str, Any], values: Sequence[Any]) -> NDArray[np.float64]:
    if "ends" in field:
        places = np.searchsorted(np.array(field["ends"]), np.array(values, dtype=np.float64))
        size = len(field["ends"]) + 1
    else:
        place = {value: i for i, value in enumerate(field["values"])}
        places = np.array([place.get(str(value), len(place)) for value in values])
        size = len(place) + 1
    return np.bincount(places, minlength=size) / max(1, len(values))
