"""How good a score is: precision and recall of an inspection capacity, and the area under the ROC curve."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk_scoring.features import Labels

INSPECTED_SHARES = (0.05, 0.10)  # the shares of the published comparison

Scores = NDArray[np.float64]


def inspected(scores: Scores, share: float) -> NDArray[np.int64]:
    """Return the rows that an office inspects that can look at `share` of all: the highest scores first."""
    count = max(1, round(len(scores) * share))
    return np.argsort(-scores, kind="stable")[:count]


def threshold(scores: Scores, share: float) -> float:
    """Return the lowest score inside the `share` of declarations with the highest scores.

    >>> threshold(np.array([0.1, 0.9, 0.5, 0.3]), 0.5)
    0.5
    """
    return float(scores[inspected(scores, share)[-1]])


def area_under_roc(scores: Scores, labels: Labels) -> float | None:
    """Return the share of (fraud, honest) pairs that the score puts in the right order; None without both."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def measure(scores: Scores, labels: Labels) -> dict[str, Any]:
    """Return precision and recall at each inspected share, and the AUC, rounded to 4 digits."""
    frauds = int(labels.sum())
    figures: dict[str, Any] = {"rows": len(labels), "frauds": frauds}
    for share in INSPECTED_SHARES:
        found = int(labels[inspected(scores, share)].sum())
        percent = round(share * 100)
        figures[f"precision_at_{percent}_percent"] = round(found / len(inspected(scores, share)), 4)
        figures[f"recall_at_{percent}_percent"] = round(found / frauds, 4) if frauds else None
    area = area_under_roc(scores, labels)
    figures["auc"] = None if area is None else round(area, 4)
    return figures
