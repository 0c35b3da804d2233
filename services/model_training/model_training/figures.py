"""What a figure is worth: bootstrap intervals of means and of the area under the ROC curve, and calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
RESAMPLES = 300
INTERVAL = (0.025, 0.975)  # 95 %
BINS = 10


def figure(
    name: str, statistic: Callable[[NDArray[np.int64]], float | None], rows: int, seed: int, unit: str = ""
) -> dict[str, Any]:
    """Return a figure and its 95 % interval: `statistic` of all rows, and of rows drawn anew with replacement.

    >>> figure("share", lambda rows: float(np.array([0.0, 1.0])[rows].mean()), 2, 1)["value"]
    0.5
    """
    generator = np.random.default_rng(seed)
    whole = statistic(np.arange(rows, dtype=np.int64))
    drawn = [statistic(generator.integers(0, rows, rows)) for _ in range(RESAMPLES)] if rows else []
    known = [value for value in drawn if value is not None]
    interval = [round(float(q), 4) for q in np.quantile(known, INTERVAL)] if known else None
    value = None if whole is None else round(float(whole), 4)
    return {"name": name, "value": value, "interval_95": interval, "rows": rows, "unit": unit}


def mean_of(values: NDArray[Any]) -> Callable[[NDArray[np.int64]], float | None]:
    """Return the statistic that is the mean of `values`; None where there is none."""
    return lambda rows: float(values[rows].mean()) if len(values) else None


def area_under_roc(scores: Numbers, labels: NDArray[Any]) -> float | None:
    """Return the share of (positive, negative) pairs in the right order, ties counted half; None without both.

    >>> area_under_roc(np.array([0.1, 0.9]), np.array([0, 1]))
    1.0
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def calibration(confidences: Numbers, right: NDArray[Any]) -> dict[str, Any]:
    """Return the Brier score, the expected calibration error over ten equal bins, and what each bin holds."""
    place = np.minimum((confidences * BINS).astype(int), BINS - 1)
    bins = [
        {
            "from": i / BINS,
            "records": int((place == i).sum()),
            "mean_confidence": round(float(confidences[place == i].mean()), 4),
            "share_right": round(float(right[place == i].mean()), 4),
        }
        for i in range(BINS)
        if (place == i).any()
    ]
    error = sum(one["records"] * abs(one["mean_confidence"] - one["share_right"]) for one in bins) / len(right)
    return {
        "brier": round(float(((confidences - right) ** 2).mean()), 4),
        "expected_calibration_error": round(float(error), 4),
        "bins": bins,
    }
