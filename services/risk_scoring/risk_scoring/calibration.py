"""From a model's raw score (log odds) to a score that means what it says: of 100 declarations at .30, 30 are fraud.

Platt's scaling: a slope and an intercept in log odds, fitted where the model has not learnt. It keeps the order of the
declarations, so it moves no figure of an inspection capacity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS_MOST = 50
STEP_ENOUGH = 1e-10


@dataclass(frozen=True)
class Calibration:
    """The map from raw score to score.

    >>> Calibration(1.0, 0.0).score(0.0)
    0.5
    """

    slope: float
    intercept: float

    def score(self, raw: float) -> float:
        """Return the score, between 0 and 1, of one raw score."""
        odds = self.slope * raw + self.intercept
        if odds >= 0:
            return 1.0 / (1.0 + math.exp(-odds))
        small = math.exp(odds)
        return small / (1.0 + small)

    def scores(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scores of many, each to the last bit what `score` gives."""
        return np.array([self.score(one) for one in raw.tolist()], dtype=np.float64)

    @classmethod
    def fit(cls, raw: NDArray[np.float64], labels: NDArray[np.int8]) -> Calibration:
        """Fit by Newton's method on rows that the model has not learnt from.

        The labels are drawn in from 0 and 1 as Platt does (1999), so that rows told apart without fault give no
        infinite slope.
        """
        frauds = int(labels.sum())
        honest = len(labels) - frauds
        target = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (honest + 2))
        design = np.stack([raw, np.ones(len(raw))], axis=1)
        line = np.array([1.0, 0.0])
        for _ in range(STEPS_MOST):
            share = 1 / (1 + np.exp(-np.clip(design @ line, -700, 700)))
            curvature = (design * (share * (1 - share))[:, None]).T @ design + 1e-9 * np.eye(2)
            step = np.linalg.solve(curvature, design.T @ (share - target))
            line = line - step
            if float(np.abs(step).max()) < STEP_ENOUGH:
                break
        # at most 12 digits, so that another processor's rounding gives the same bytes
        return cls(float(f"{line[0]:.12g}"), float(f"{line[1]:.12g}"))

    def to_document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"method": "platt", "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Calibration:
        """Return what `to_document` wrote. Raises KeyError where a part is missing."""
        return cls(float(document["slope"]), float(document["intercept"]))
