"""What a figure is worth: its interval, the calibration of the score, who is inspected, how steady the choice is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk_scoring.evaluation import INSPECTED_SHARES, Scores, inspected
from risk_scoring.features import Labels
from risk_scoring.schema import Row

RESAMPLES = 500
INTERVAL = (0.025, 0.975)  # 95 %
BINS = 10
LEAST_OF_A_GROUP = 100  # with fewer declarations a group gets no figure


def intervals(scores: Scores, labels: Labels, seed: int) -> dict[str, list[float]]:
    """Return the 95 % bootstrap intervals of precision at each inspected share: declarations drawn anew."""
    generator = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {f"precision_at_{round(s * 100)}_percent": [] for s in INSPECTED_SHARES}
    for _ in range(RESAMPLES):
        rows = generator.integers(0, len(scores), len(scores))
        again, known = scores[rows], labels[rows]
        for share, values in zip(INSPECTED_SHARES, drawn.values(), strict=True):
            values.append(float(known[inspected(again, share)].mean()))
    return {name: [round(float(q), 4) for q in np.quantile(values, INTERVAL)] for name, values in drawn.items()}


def calibration_figures(scores: Scores, labels: Labels) -> dict[str, Any]:
    """Return the Brier score, the expected calibration error over ten equal bins, and what each bin holds."""
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins = [
        {
            "from": i / BINS,
            "declarations": int((place == i).sum()),
            "mean_score": round(float(scores[place == i].mean()), 4),
            "fraud_share": round(float(labels[place == i].mean()), 4),
        }
        for i in range(BINS)
        if (place == i).any()
    ]
    error = sum(one["declarations"] * abs(one["mean_score"] - one["fraud_share"]) for one in bins) / len(scores)
    return {
        "brier": round(float(((scores - labels) ** 2).mean()), 4),
        "expected_calibration_error": round(float(error), 4),
        "bins": bins,
    }


def fairness(scores: Scores, labels: Labels, red: float, groups: Sequence[str]) -> dict[str, Any]:
    """Return, by group, how often it is inspected, how often without cause, and how much of its fraud is found.

    `ratio_of_inspected_without_cause` is the least over the most of the groups with a figure: 1 is equal treatment.
    """
    chosen, names = scores >= red, np.array(groups)
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(set(groups)):
        there = names == name
        honest, fraud = there & (labels == 0), there & (labels == 1)
        if there.sum() < LEAST_OF_A_GROUP or not honest.any() or not fraud.any():
            found[name] = {"declarations": int(there.sum()), "verdict": "not measured"}
            continue
        found[name] = {
            "declarations": int(there.sum()),
            "fraud_share": round(float(labels[there].mean()), 4),
            "inspected": round(float(chosen[there].mean()), 4),
            "inspected_without_cause": round(float(chosen[honest].mean()), 4),
            "fraud_found": round(float(chosen[fraud].mean()), 4),
        }
    rates = [one["inspected_without_cause"] for one in found.values() if "inspected" in one]
    ratio = round(min(rates) / max(rates), 4) if rates and max(rates) > 0 else None
    return {"groups": found, "ratio_of_inspected_without_cause": ratio}


def importer_sizes(rows: Sequence[Row], past: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the size group of each declaration's importer, by its declarations in the training data."""
    counts = [past.get(str(row["importer_id"]), (0, 0))[0] for row in rows]
    return ["none before" if n == 0 else "1 to 9" if n < 10 else "10 and more" for n in counts]


def stability(chosen: Sequence[Scores], share: float) -> float | None:
    """Return how much of the inspected declarations two models share that learnt from resampled data.

    The mean over all pairs of (in both) / (in either): 1 is the same choice every time. None with less than two models.
    """
    sets = [set(inspected(scores, share).tolist()) for scores in chosen]
    pairs = [len(a & b) / len(a | b) for a, b in combinations(sets, 2)]
    return round(float(np.mean(pairs)), 4) if pairs else None


def label_codes(train: Sequence[Row], valid: Sequence[Row], fields: Sequence[str]) -> tuple[Any, Any]:
    """Return both sets with each text as the number of its first appearance (the published protocol's encoding)."""

    def columns(rows: Sequence[Row], known: dict[str, dict[Any, int]]) -> NDArray[np.float64]:
        matrix = np.empty((len(rows), len(fields)))
        for i, row in enumerate(rows):
            for j, field in enumerate(fields):
                value = row[field]
                if field not in ("net_mass", "item_price"):
                    codes = known.setdefault(field, {})
                    value = codes.setdefault(value, len(codes) + 1)
                matrix[i, j] = value
        return matrix

    known: dict[str, dict[Any, int]] = {}
    return columns(train, known), columns(valid, known)
