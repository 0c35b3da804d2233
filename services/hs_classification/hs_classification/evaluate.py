"""How good the answers are: of one and of five, at six, four and two digits, with calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hs_classification.classifier import Classifier
from hs_classification.features import Numbers
from model_training.figures import calibration, figure, mean_of

TOP = 10
DIGITS = (6, 4, 2)
LEAST_CONFIDENCE = 0.5  # of a first answer that is told without a warning


@dataclass(frozen=True)
class Judged:
    """What was answered to descriptions: the codes told, their confidences, and the right code of each."""

    told: Sequence[Sequence[str]]
    confidences: Sequence[Sequence[float]]
    right: Sequence[str]


def judge(classifier: Classifier, goods: Sequence[tuple[str, str]], vectors: Numbers) -> Judged:
    """Return the answers to descriptions."""
    answers = [classifier.classify(text, vector, TOP) for (text, _), vector in zip(goods, vectors, strict=True)]
    return Judged(
        [[code for code, _, _ in one] for one in answers],
        [[confidence for _, _, confidence in one] for one in answers],
        [code for _, code in goods],
    )


def hits(judged: Judged, among: int, digits: int) -> NDArray[np.float64]:
    """Return 1 for each description whose right code, at so many digits, is among the first answers."""
    pairs = zip(judged.told, judged.right, strict=True)
    return np.array([float(any(c[:digits] == right[:digits] for c in told[:among])) for told, right in pairs])


def results(name: dict[str, str], judged: Judged, seed: int) -> list[dict[str, Any]]:
    """Return the figures of one set of descriptions, each with its interval."""
    found = []
    for digits in DIGITS:
        for among in (1, 5):
            values = hits(judged, among, digits)
            label = {
                "en": f"{name['en']}: right at {digits} digits among {among}",
                "fr": f"{name['fr']} : juste à {digits} chiffres parmi {among}",
            }
            found.append({**figure(label["en"], mean_of(values), len(values), seed), "label": label})
    sure = np.array([one[0] >= LEAST_CONFIDENCE for one in judged.confidences], dtype=float)
    first = hits(judged, 1, 6)[sure > 0]
    share = {
        "en": f"{name['en']}: first answer with confidence of one half or more",
        "fr": f"{name['fr']} : première réponse d'une confiance d'au moins un demi",
    }
    right = {
        "en": f"{name['en']}: right at 6 digits, of those",
        "fr": f"{name['fr']} : juste à 6 chiffres, parmi celles-ci",
    }
    return [
        *found,
        {**figure(share["en"], mean_of(sure), len(sure), seed), "label": share},
        {**figure(right["en"], mean_of(first), len(first), seed), "label": right},
    ]


def calibration_of(judged: Judged) -> dict[str, Any]:
    """Return the calibration of the first answers at six digits."""
    return calibration(np.array([one[0] for one in judged.confidences]), hits(judged, 1, 6))
