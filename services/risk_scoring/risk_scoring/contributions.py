"""How far each feature moved a score: TreeSHAP of a gradient-boosted model, looked up instead of computed.

TreeSHAP (Lundberg and others, "From local explanations to global understanding with explainable AI for trees", 2020,
with the trees' own row counts as background) gives each leaf's share to the features on the path to it. What a leaf
gives depends on the declaration only through which of these features agree with the path. Where a path has few features
there are few such combinations, so all of them are computed when the model is loaded (the idea of Yang, "Fast
TreeSHAP", 2021). What is left for a declaration is to see which combination each leaf has, and to add up the shares.

The result is that of `Booster.predict(pred_contrib=True)` but for the rounding of the sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

MOST_ON_A_PATH = 6  # the tables grow with 2 to the power of this; a model of `max_depth` 6 never needs more


@dataclass(frozen=True)
class _Path:
    """The way to a leaf: by feature the interval (above, upto] that leads there, and the share of rows there."""

    value: float
    intervals: dict[int, tuple[float, float, float]]


def _paths(
    node: dict[str, Any], intervals: dict[int, tuple[float, float, float]], rows: float | None = None
) -> Iterator[_Path]:
    if "leaf_value" in node:
        yield _Path(float(node["leaf_value"]), intervals)
        return
    if node["decision_type"] != "<=" or node["missing_type"] != "None":
        raise ValueError("only splits of numbers that are never missing are known here")
    rows = float(node["internal_count"])
    feature, threshold = int(node["split_feature"]), float(node["threshold"])
    above, upto, share = intervals.get(feature, (-np.inf, np.inf, 1.0))
    for side, inside in (("left_child", (above, min(upto, threshold))), ("right_child", (max(above, threshold), upto))):
        child = node[side]
        taken = float(child.get("internal_count", child.get("leaf_count", 0))) / rows
        yield from _paths(child, {**intervals, feature: (*inside, share * taken)})


def _shares(value: float, shares: Sequence[float]) -> NDArray[np.float64]:
    """Return for each combination of features that agree (bit i: feature i) what the leaf gives to each feature."""
    count = len(shares)
    bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    weights = [factorial(s) * factorial(count - s - 1) / factorial(count) for s in range(count)]
    given = np.zeros((2**count, count))
    for feature in range(count):
        # coefficient s: summed over the sets of s other features, what is left of the leaf where only those are known
        known = np.zeros((2**count, count))
        known[:, 0] = 1.0
        for other in range(count):
            if other != feature:
                longer = known * shares[other]
                longer[:, 1:] += known[:, :-1] * bits[:, other, None]
                known = longer
        given[:, feature] = value * (bits[:, feature] - shares[feature]) * (known @ np.array(weights))
    return given


class Contributions:
    """The tables of one model."""

    def __init__(self, booster: lightgbm.Booster) -> None:
        """Compute the tables. Raises ValueError where a path has more than `MOST_ON_A_PATH` features."""
        trees = booster.dump_model()["tree_info"]
        paths = [path for tree in trees for path in _paths(tree["tree_structure"], {}) if path.intervals]
        self.features = booster.num_feature()
        width = max((len(path.intervals) for path in paths), default=1)
        if width > MOST_ON_A_PATH:
            raise ValueError(f"a path of the model has {width} features, more than {MOST_ON_A_PATH}")
        padded = -(-max(1, len(paths)) // 8) * 8  # whole words of 8 bytes
        self._table = np.zeros((padded << width, width))
        owner = np.full((padded, width), self.features, dtype=np.int64)
        self._first = np.arange(padded, dtype=np.int64) << width
        self._thresholds: list[tuple[int, list[float], int]] = []
        found: dict[int, list[tuple[int, int, float, float]]] = {}
        for leaf, path in enumerate(paths):
            owner[leaf, : len(path.intervals)] = list(path.intervals)
            given = _shares(path.value, [share for _, _, share in path.intervals.values()])
            self._table[leaf << width : (leaf << width) + len(given), : given.shape[1]] = given
            for slot, (feature, (above, upto, _)) in enumerate(path.intervals.items()):
                found.setdefault(feature, []).append((leaf, slot, above, upto))
        agreeing: list[NDArray[np.uint8]] = []
        for feature, places in sorted(found.items()):
            ends = np.unique([end for *_, above, upto in places for end in (above, upto)])
            ends = ends[np.isfinite(ends)]
            # one line an interval between two thresholds: which leaves' paths a value in it agrees with
            lines = np.zeros((len(ends) + 1, padded), dtype=np.uint8)
            for leaf, slot, above, upto in places:
                begin = 0 if above == -np.inf else int(np.searchsorted(ends, above)) + 1
                end = len(ends) if upto == np.inf else int(np.searchsorted(ends, upto))
                lines[begin : end + 1, leaf] |= np.uint8(1 << slot)
            self._thresholds.append((feature, ends.tolist(), sum(map(len, agreeing))))
            agreeing.append(lines)
        self._agreeing = np.concatenate(agreeing).view(np.uint64) if agreeing else np.zeros((1, padded // 8), np.uint64)
        self._owner = owner.ravel()

    def of(self, row: Sequence[float]) -> NDArray[np.float64]:
        """Return the contribution of each feature to the raw score (log odds) of one row."""
        lines = [first + bisect_left(ends, row[feature]) for feature, ends, first in self._thresholds]
        agreed = np.bitwise_or.reduce(self._agreeing.take(lines or [0], axis=0), axis=0).view(np.uint8)
        shares = self._table.take(self._first + agreed, axis=0)
        total = np.asarray(np.bincount(self._owner, shares.ravel(), self.features + 1), dtype=np.float64)
        return total[: self.features]
