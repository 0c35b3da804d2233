"""From declarations to a numeric matrix: one code for training and for serving.

An `Encoder` is what training learnt about the past: for each group of fields (HS6, importer, route and
so on) how many declarations had that value and how many of them were fraud; and the usual price per
kilogram of each HS6 code. Encoding looks the values up. A value never seen gets the overall rate and a
count of zero, so nothing unseen can fail.

At training each row must be encoded by statistics that leave it out, or its own label leaks into its
features: `fold_of` splits the rows, and every fold is encoded by an `Encoder` fitted on the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk_scoring.schema import Row

Matrix = NDArray[np.float64]
Labels = NDArray[np.int8]

SMOOTHING_DECLARATIONS = 10.0  # how many declarations at the overall rate are added to each value's own
MEDIAN_LEAST_DECLARATIONS = 3  # an HS6 code with fewer borrows the usual price of its HS2 chapter
TUPLE_FIELDS = frozenset({"hs6_code", "country_of_departure", "country_of_origin", "tax_rate", "tax_type"})


@dataclass(frozen=True)
class Group:
    """Fields whose joint value has a past; `digits` keeps only the first digits of the HS6 code."""

    name: str
    label: str
    fields: tuple[str, ...]
    digits: int = 6
    counted: bool = False  # is the number of past declarations a feature as well?

    def key(self, row: Row) -> str:
        """Return the joint value as text, the same for the same goods whatever way a number was written."""
        if len(self.fields) == 1:
            value = row[self.fields[0]]
            if self.digits != 6:
                return str(value)[: self.digits]
            return value if isinstance(value, str) else repr(float(value))
        return "|".join(v if isinstance(v, str) else repr(float(v)) for v in (row[f] for f in self.fields))


_TUPLE = ("hs6_code", "country_of_departure", "country_of_origin", "tax_rate", "tax_type")

GROUPS: tuple[Group, ...] = (
    Group("hs6", "record of this HS6 code", ("hs6_code",), counted=True),
    Group("hs4", "record of this HS heading", ("hs6_code",), digits=4),
    Group("hs2", "record of this HS chapter", ("hs6_code",), digits=2),
    Group("origin", "record of this country of origin", ("country_of_origin",)),
    Group("departure", "record of this country of departure", ("country_of_departure",)),
    Group("tax_type", "record of this tax type", ("tax_type",)),
    Group("tax_rate", "record of this tax rate", ("tax_rate",)),
    Group("goods_and_tariff", "record of these goods on this route at this tariff", _TUPLE, counted=True),
    Group("goods_and_origin", "record of these goods from this origin", ("hs6_code", "country_of_origin")),
    Group(
        "goods_and_proof",
        "record of these goods with this proof of origin",
        ("hs6_code", "country_of_origin_indicator"),
    ),
    Group("importer_and_goods", "record of this importer with these goods", ("importer_id", "hs6_code")),
    Group("importer", "record of this importer", ("importer_id",), counted=True),
    Group("seller", "record of this seller", ("seller_id",), counted=True),
    Group("declarant", "record of this declarant", ("declarant_id",), counted=True),
    Group("courier", "record of this courier", ("courier_id",)),
    Group("office", "record of this office", ("office_id",)),
    Group("office_and_declarant", "record of this declarant at this office", ("office_id", "declarant_id")),
    Group("import_type", "record of this import type", ("import_type",)),
    Group("import_use", "record of this import use", ("import_use",)),
    Group("payment_type", "record of this payment type", ("payment_type",)),
    Group("transport", "record of this mode of transport", ("mode_of_transport",)),
    Group("proof", "record of this proof of origin", ("country_of_origin_indicator",)),
)


def keys(row: Row) -> tuple[str, ...]:
    """Return `key` of every group in the order of `GROUPS`, written out: every declaration that is served needs it."""
    goods, origin, proof = row["hs6_code"], row["country_of_origin"], row["country_of_origin_indicator"]
    departure, tax_type, tax_rate = row["country_of_departure"], row["tax_type"], repr(float(row["tax_rate"]))
    importer, declarant, office = row["importer_id"], row["declarant_id"], row["office_id"]
    return (
        goods,
        goods[:4],
        goods[:2],
        origin,
        departure,
        tax_type,
        tax_rate,
        f"{goods}|{departure}|{origin}|{tax_rate}|{tax_type}",
        f"{goods}|{origin}",
        f"{goods}|{proof}",
        f"{importer}|{goods}",
        importer,
        row["seller_id"],
        declarant,
        row["courier_id"],
        office,
        f"{office}|{declarant}",
        row["import_type"],
        row["import_use"],
        row["payment_type"],
        row["mode_of_transport"],
        proof,
    )


@dataclass(frozen=True)
class Feature:
    """One column of the matrix: what an officer calls it, and the fields that it is made from."""

    name: str
    label: str
    fields: tuple[str, ...]
    group: Group | None = None


def _features() -> tuple[Feature, ...]:
    columns: list[Feature] = []
    for group in GROUPS:
        columns.append(Feature(f"{group.name}_rate", group.label, group.fields, group))
        if group.counted:
            label = group.label.replace("record", "number of past declarations", 1)
            columns.append(Feature(f"{group.name}_count", label, group.fields, group))
    return (
        *columns,
        Feature("tax_rate", "tax rate", ("tax_rate",)),
        Feature("net_mass_log", "net mass", ("net_mass",)),
        Feature("item_price_log", "declared price", ("item_price",)),
        Feature("unit_price_log", "price per kilogram", ("item_price", "net_mass")),
        Feature(
            "unit_price_against_usual",
            "price per kilogram against the usual for this HS6 code",
            ("item_price", "net_mass", "hs6_code"),
        ),
    )


FEATURES: tuple[Feature, ...] = _features()
FEATURE_NAMES: tuple[str, ...] = tuple(f.name for f in FEATURES)


def without_tuple() -> list[int]:
    """Return the columns made from no field of the tuple (HS, departure, origin, tax rate, tax type)."""
    return [i for i, feature in enumerate(FEATURES) if not TUPLE_FIELDS & set(feature.fields)]


def goods_key(row: Row) -> str:
    """Return the tuple (HS, departure, origin, tax rate, tax type) of a declaration as text."""
    return "|".join(v if isinstance(v, str) else repr(float(v)) for v in (row[f] for f in _TUPLE))


def unit_price_log(row: Row) -> float:
    """Return the logarithm of the price per kilogram, defined for a price or a mass of zero too."""
    return math.log1p(row["item_price"]) - math.log1p(row["net_mass"])


Counts = dict[str, tuple[int, int]]  # value -> (declarations, frauds among them)
# What the features of a value are, and those of one without a past.
_Lookup = tuple[Callable[[str, tuple[float, ...]], tuple[float, ...]], tuple[float, ...]]


@dataclass(frozen=True)
class Encoder:
    """What training learnt about the past; see the module's text.

    >>> row = parse_declaration(example, "example")
    >>> Encoder.fit([row], [1]).encode([row]).shape
    (1, 32)
    """

    overall_rate: float
    counts: Mapping[str, Counts]  # by group
    usual_unit_price_log: Mapping[str, float]  # by HS6 code, by HS2 chapter, and "" for all goods

    @classmethod
    def fit(cls, rows: Sequence[Row], labels: Iterable[int]) -> Encoder:
        """Learn from `rows` and their labels (1 = fraud). Raises ValueError without a row."""
        frauds = [int(label) for label in labels]
        if not rows or len(rows) != len(frauds):
            raise ValueError("as many labels as rows are needed, and at least one")
        counts = {group.name: _count(map(group.key, rows), frauds) for group in GROUPS}
        return cls(sum(frauds) / len(frauds), counts, _usual_prices(rows))

    def encode(self, rows: Sequence[Row]) -> Matrix:
        """Return the matrix of `rows`, one column a feature in the order of `FEATURES`."""
        matrix = np.empty((len(rows), len(FEATURES)), dtype=np.float64)
        for i, row in enumerate(rows):
            matrix[i] = self.encode_row(row)
        return matrix

    def encode_row(self, row: Row) -> list[float]:
        """Return the features of one declaration in the order of `FEATURES`."""
        line: list[float] = []
        for key, (past, unseen) in zip(keys(row), self._lookups, strict=True):
            line += past(key, unseen)
        unit = unit_price_log(row)
        line += (
            row["tax_rate"],
            math.log1p(row["net_mass"]),
            math.log1p(row["item_price"]),
            unit,
            unit - self._usual(row["hs6_code"]),
        )
        return line

    @cached_property
    def _lookups(self) -> list[_Lookup]:
        """For each group the features of every value that has a past, and of one that has none."""
        prior = SMOOTHING_DECLARATIONS * self.overall_rate
        # Few pasts are different: one tuple for all values with the same is in the processor's cache where one for each
        # is not, and takes less memory.
        made: dict[tuple[bool, int, int], tuple[float, ...]] = {}

        def features(group: Group, declarations: int, frauds: int) -> tuple[float, ...]:
            found = made.get((group.counted, declarations, frauds))
            if found is None:
                rate = (frauds + prior) / (declarations + SMOOTHING_DECLARATIONS)
                found = (rate, math.log1p(declarations)) if group.counted else (rate,)
                made[group.counted, declarations, frauds] = found
            return found

        return [
            (
                {value: features(group, *past) for value, past in self.counts[group.name].items()}.get,
                features(group, 0, 0),
            )
            for group in GROUPS
        ]

    def explain(self, feature: Feature, row: Row) -> str:
        """Return what an officer can check about `feature` of `row`: its value, and its past where it has one."""
        if feature.group is not None:
            declarations, frauds = self.counts[feature.group.name].get(feature.group.key(row), (0, 0))
            value = " / ".join(
                str(row[f])[: feature.group.digits] if f == "hs6_code" else str(row[f]) or "none"
                for f in feature.fields
            )
            past = f"{frauds} of {declarations} past declarations were fraud" if declarations else "never seen before"
            return f"{value}: {past}"
        if feature.name == "unit_price_against_usual":
            usual = math.exp(unit_price_log(row) - self._usual(row["hs6_code"]))
            return f"{usual:.2f} times the usual price per kilogram"
        if feature.name == "unit_price_log":
            mass = row["net_mass"]
            return f"{row['item_price'] / mass:.6g} per kg" if mass > 0 else "net mass is 0 kg"
        unit = {"tax_rate": " %", "net_mass": " kg"}.get(feature.fields[0], "")
        return f"{row[feature.fields[0]]:.10g}{unit}"

    def _usual(self, hs6_code: str) -> float:
        usual = self.usual_unit_price_log
        found = usual.get(hs6_code)
        if found is None:
            found = usual.get(hs6_code[:2])
        return usual[""] if found is None else found

    def to_document(self) -> dict[str, Any]:
        """Return the encoder as plain data, its keys sorted, so that equal encoders are equal bytes."""
        return {
            "overall_rate": self.overall_rate,
            "counts": {name: dict(sorted(values.items())) for name, values in sorted(self.counts.items())},
            "usual_unit_price_log": dict(sorted(self.usual_unit_price_log.items())),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Encoder:
        """Return the encoder of a document made by `to_document`. Raises KeyError where a group is missing."""
        same: dict[tuple[int, int], tuple[int, int]] = {}  # one tuple for all values with the same past

        def past(n: float, f: float) -> tuple[int, int]:
            found = int(n), int(f)
            return same.setdefault(found, found)

        counts = {g.name: {key: past(*one) for key, one in document["counts"][g.name].items()} for g in GROUPS}
        usual = {key: float(value) for key, value in document["usual_unit_price_log"].items()}
        return cls(float(document["overall_rate"]), counts, usual)


def _count(keys: Iterable[str], frauds: Sequence[int]) -> Counts:
    declarations: dict[str, int] = {}
    found: dict[str, int] = {}
    for key, fraud in zip(keys, frauds, strict=True):
        declarations[key] = declarations.get(key, 0) + 1
        if fraud:
            found[key] = found.get(key, 0) + 1
    return {key: (number, found.get(key, 0)) for key, number in declarations.items()}


def _usual_prices(rows: Sequence[Row]) -> dict[str, float]:
    prices: dict[str, list[float]] = {"": []}
    for row in rows:
        price = unit_price_log(row)
        code = row["hs6_code"]
        for key in ("", code[:2], code):
            prices.setdefault(key, []).append(price)
    return {
        key: float(np.median(values))
        for key, values in prices.items()
        if len(key) < 6 or len(values) >= MEDIAN_LEAST_DECLARATIONS
    }


def fold_of(rows: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each of `rows` rows: as equal as can be, shuffled by `seed`."""
    return np.random.default_rng(seed).permutation(np.arange(rows) % folds)
