"""A model in memory: declarations in, scores, lanes and reasons out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import lightgbm
import numpy as np

from risk_scoring.errors import RiskScoringError
from risk_scoring.features import FEATURE_NAMES, FEATURES, Encoder
from risk_scoring.model_files import FEATURES as FEATURES_FILE
from risk_scoring.model_files import ModelFiles
from risk_scoring.schema import Row

Lane = Literal["green", "yellow", "red"]
REASONS = 3  # how many are told unless the request says otherwise


@dataclass(frozen=True)
class Predictions:
    """The answers to a batch, one entry a declaration; `reasons` is empty where none were asked for."""

    scores: list[float]
    lanes: list[Lane]
    reasons: list[list[dict[str, Any]]]


@dataclass(frozen=True)
class Predictor:
    """The served model."""

    booster: lightgbm.Booster
    encoder: Encoder
    red: float
    yellow: float
    digest: str
    card: dict[str, Any]

    @classmethod
    def of(cls, files: ModelFiles) -> Predictor:
        """Return the predictor of a model that was read and verified.

        Raises RiskScoringError where the model was trained for other features than this code computes.
        """
        if tuple(files.features["features"]) != FEATURE_NAMES:
            raise RiskScoringError(
                FEATURES_FILE, "its features are not those of this code", "train it again with this version"
            )
        booster = lightgbm.Booster(model_str=files.booster)
        if tuple(booster.feature_name()) != FEATURE_NAMES:
            raise RiskScoringError("model.txt", "its features are not those of this code", "train it again")
        lanes = files.features["lanes"]
        encoder = Encoder.from_document(files.features["encoder"])
        return cls(booster, encoder, float(lanes["red"]), float(lanes["yellow"]), files.model_digest, files.card)

    def lane(self, score: float) -> Lane:
        """Return the lane of a score: red is inspected, yellow has its documents checked, green is released."""
        if score >= self.red:
            return "red"
        return "yellow" if score >= self.yellow else "green"

    def predict(self, rows: Sequence[Row], reasons: int = REASONS) -> Predictions:
        """Score declarations (by field name, every field present) and tell the `reasons` strongest reasons of each."""
        matrix = self.encoder.encode(rows)
        scores: list[float] = np.asarray(self.booster.predict(matrix, num_threads=1)).tolist()
        told: list[list[dict[str, Any]]] = []
        if reasons:
            parts = np.asarray(self.booster.predict(matrix, pred_contrib=True, num_threads=1))[:, :-1]
            strongest = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :reasons]
            told = [
                [
                    {
                        "feature": FEATURES[column].label,
                        "value": self.encoder.explain(FEATURES[column], row),
                        "contribution": float(parts[i, column]),
                    }
                    for column in strongest[i]
                ]
                for i, row in enumerate(rows)
            ]
        return Predictions(scores, [self.lane(score) for score in scores], told)
