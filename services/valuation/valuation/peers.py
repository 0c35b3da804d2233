"""The model: how values a kilogram lie among peers, robustly.

Of each group of peers the median of the logarithm of the value a kilogram is kept, and the spread as the median
absolute deviation. A small group borrows from the wider one that holds it: with n declarations it weighs n / (n + k).
Medians, so that the undervalued declarations among the peers themselves do not move what is usual. The value of a
kilogram falls with the quantity; how fast is one slope a chapter, and quantities are compared at equal footing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from valuation.features import LEVELS, Declared, Numbers, peer_keys

MAD_TO_DEVIATION = 1.4826  # of a normal distribution
LEAST_SPREAD = 0.05  # of the logarithm: no peers are closer than 5 %
SLOPE_ROWS = 200  # declarations that weigh as much as the slope of all
QUANTILES = 1001
DIGITS = 6


@dataclass(frozen=True)
class Group:
    """Peers: how many, the median of their logarithms, and their spread, borrowing included."""

    count: int
    centre: float
    spread: float


@dataclass(frozen=True)
class Comparison:
    """A declaration beside its peers. `level` is the nearest of `LEVELS` with at least `least` declarations."""

    level: str
    peers: int
    deviations: float  # how many spreads the declared value lies below (negative) or above the usual
    usual_value_per_kilogram: float
    low_value_per_kilogram: float  # three of four peers lie above
    declared_value_per_kilogram: float


@dataclass(frozen=True)
class Peers:
    """The groups by key, the slopes by chapter, and the distribution of deviations among honest and other alike."""

    groups: dict[str, Group]
    slopes: dict[str, float]
    reference: tuple[float, ...]  # quantiles of deviations of declarations that were not learnt from
    borrowing: float
    least: int

    def compare(self, hs6: str, origin: str, net_mass: float, item_price: float) -> Comparison:
        """Return where a declaration lies among its peers."""
        keys = peer_keys(hs6, origin)
        nearest = next((key for key in keys if key in self.groups), "")
        told = next((i for i, key in enumerate(keys) if self._count(key) >= self.least), len(keys) - 1)
        group = self.groups[nearest]
        slope = self.slopes.get(hs6[:2], self.slopes[""]) * math.log(net_mass)
        value = math.log(item_price) - math.log(net_mass)
        usual = group.centre + slope
        return Comparison(
            LEVELS[told],
            self._count(keys[told]),
            (value - usual) / group.spread,
            math.exp(usual),
            math.exp(usual - 0.6745 * group.spread),
            math.exp(value),
        )

    def _count(self, key: str) -> int:
        group = self.groups.get(key)
        return group.count if group else 0

    def undervaluation(self, deviations: float) -> float:
        """Return the share of declarations that lie less far below their peers: 0.99 is lower than 99 of 100."""
        return float(1 - np.searchsorted(self.reference, deviations) / len(self.reference))

    def to_document(self) -> dict[str, Any]:
        """Return the model as JSON holds it."""
        return {
            "groups": {k: [g.count, round(g.centre, DIGITS), round(g.spread, DIGITS)] for k, g in self.groups.items()},
            "slopes": {key: round(slope, DIGITS) for key, slope in self.slopes.items()},
            "reference": [round(value, DIGITS) for value in self.reference],
            "borrowing": self.borrowing,
            "least": self.least,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Peers:
        """Return the model of `to_document`."""
        return cls(
            {key: Group(int(n), float(c), float(s)) for key, (n, c, s) in document["groups"].items()},
            {key: float(slope) for key, slope in document["slopes"].items()},
            tuple(map(float, document["reference"])),
            float(document["borrowing"]),
            int(document["least"]),
        )


def fit(declared: Declared, borrowing: float, least: int, with_slope: bool = True) -> Peers:
    """Return the peers of `declared`. The reference is empty: `with_reference` adds it from other declarations."""
    logs = np.log(declared.item_price) - np.log(declared.net_mass)
    masses = np.log(declared.net_mass)
    slopes = _slopes(declared, logs, masses) if with_slope else {"": 0.0}
    level = logs - masses * np.array([slopes.get(code[:2], slopes[""]) for code in declared.hs6])
    rows: dict[str, list[int]] = {}
    for i, (hs6, origin) in enumerate(zip(declared.hs6, declared.origin, strict=True)):
        for key in peer_keys(hs6, origin):
            rows.setdefault(key, []).append(i)
    groups: dict[str, Group] = {}
    # wide groups first: narrower ones borrow from them
    for key in sorted(rows, key=lambda one: (one != "", "|" in one, len(one), one)):
        groups[key] = _group(level[rows[key]], groups.get(wider(key)) if key else None, borrowing)
    return Peers(groups, slopes, (), borrowing, least)


def wider(key: str) -> str:
    """Return the key of the group that holds the group of `key`.

    >>> [wider(key) for key in ("090111|BR", "090111", "0901", "09")]
    ['090111', '0901', '09', '']
    """
    return key.split("|")[0] if "|" in key else key[:-2]


def _group(levels: Numbers, parent: Group | None, borrowing: float) -> Group:
    centre = float(np.median(levels))
    weight = 1.0 if parent is None else len(levels) / (len(levels) + borrowing)
    if parent is not None:
        centre = weight * centre + (1 - weight) * parent.centre
    spread = MAD_TO_DEVIATION * float(np.median(np.abs(levels - centre)))
    if parent is not None:
        spread = weight * spread + (1 - weight) * parent.spread
    return Group(len(levels), centre, max(spread, LEAST_SPREAD))


def _slopes(declared: Declared, logs: Numbers, masses: Numbers) -> dict[str, float]:
    """Return how the logarithm of a kilogram's value changes with that of the mass, by chapter and ("") for all.

    Within goods: both less their medians, the farthest tenths of the values drawn in.
    """
    rows: dict[str, list[int]] = {}
    for i, code in enumerate(declared.hs6):
        rows.setdefault(code, []).append(i)
    value, mass = np.zeros(len(logs)), np.zeros(len(logs))
    for where in rows.values():
        value[where] = logs[where] - np.median(logs[where])
        mass[where] = masses[where] - np.median(masses[where])
    low, high = np.quantile(value, (0.1, 0.9))
    value = np.clip(value, low, high)
    chapters = np.array([code[:2] for code in declared.hs6])
    whole = _slope(value, mass, 0.0, 0.0)
    per_row = float((mass**2).mean())
    slopes = {"": whole}
    for chapter in sorted(set(chapters.tolist())):
        there = chapters == chapter
        slopes[chapter] = _slope(value[there], mass[there], whole, SLOPE_ROWS * per_row)
    return slopes


def _slope(value: Numbers, mass: Numbers, prior: float, weight: float) -> float:
    square = float((mass**2).sum()) + weight
    return (float((mass * value).sum()) + weight * prior) / square if square else prior


def deviations(peers: Peers, declared: Declared) -> Numbers:
    """Return how many spreads each declaration lies from its peers."""
    lines = zip(declared.hs6, declared.origin, declared.net_mass.tolist(), declared.item_price.tolist(), strict=True)
    return np.array([peers.compare(*line).deviations for line in lines])


def with_reference(peers: Peers, seen: Sequence[Numbers]) -> Peers:
    """Return the peers with the distribution of deviations of declarations that were not learnt from."""
    quantiles = np.quantile(np.concatenate(list(seen)), np.linspace(0, 1, QUANTILES))
    reference = tuple(float(value) for value in quantiles)
    return Peers(peers.groups, peers.slopes, reference, peers.borrowing, peers.least)
