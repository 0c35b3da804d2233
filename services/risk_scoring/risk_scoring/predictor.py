"""A model in memory: declarations in, scores, lanes and reasons out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import lightgbm
import numpy as np
import orjson

from model_server.errors import ServiceError
from model_server.sealed import SealedModel
from risk_scoring.calibration import Calibration
from risk_scoring.contributions import Contributions
from risk_scoring.features import FEATURE_NAMES, FEATURES, Encoder
from risk_scoring.model_files import BOOSTER
from risk_scoring.model_files import FEATURES as FEATURES_FILE
from risk_scoring.schema import Row
from risk_scoring.single_row import SingleRow

Lane = Literal["green", "yellow", "red"]
REASONS = 3  # how many are told unless the request says otherwise
SINGLY_MOST = 16  # so many rows are scored faster one by one than by a call for all


class Predictions(NamedTuple):
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
    calibration: Calibration
    contributions: Contributions
    single_row: SingleRow

    @classmethod
    def of(cls, sealed: SealedModel) -> Predictor:
        """Return the predictor of a model that was read and verified.

        Raises ServiceError where the model was trained for other features than this code computes.
        """
        missing = {BOOSTER, FEATURES_FILE} - set(sealed.files)
        if missing:
            raise ServiceError(", ".join(sorted(missing)), "missing", "this is no risk model: name another")
        features = orjson.loads(sealed.files[FEATURES_FILE])
        if "calibration" not in features or tuple(features["features"]) != FEATURE_NAMES:
            raise ServiceError(
                FEATURES_FILE, "its features are not those of this code", "train it again with this version"
            )
        booster = lightgbm.Booster(model_str=sealed.files[BOOSTER].decode())
        if tuple(booster.feature_name()) != FEATURE_NAMES:
            raise ServiceError(BOOSTER, "its features are not those of this code", "train it again")
        try:
            contributions = Contributions(booster)
        except ValueError as error:
            raise ServiceError(BOOSTER, str(error), "train it again with this version") from None
        lanes = features["lanes"]
        return cls(
            booster,
            Encoder.from_document(features["encoder"]),
            float(lanes["red"]),
            float(lanes["yellow"]),
            sealed.digest,
            sealed.card,
            Calibration.from_document(features["calibration"]),
            contributions,
            SingleRow(booster),
        )

    def lane(self, score: float) -> Lane:
        """Return the lane of a score: red is inspected, yellow has its documents checked, green is released."""
        if score >= self.red:
            return "red"
        return "yellow" if score >= self.yellow else "green"

    def predict(self, rows: Sequence[Row], reasons: int = REASONS) -> Predictions:
        """Score declarations (by field name, every field present) and tell the `reasons` strongest reasons of each."""
        lines = [self.encoder.encode_row(row) for row in rows]
        score = self.calibration.score
        scores = [score(raw) for raw in self._raw_scores(lines)]
        told = [self._reasons(row, line, reasons) for row, line in zip(rows, lines, strict=True)] if reasons else []
        return Predictions(scores, [self.lane(score) for score in scores], told)

    def _raw_scores(self, lines: Sequence[Sequence[float]]) -> list[float]:
        if len(lines) <= SINGLY_MOST:
            return [self.single_row.raw_score(line) for line in lines]
        matrix = np.array(lines, dtype=np.float64)
        raw: list[float] = np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=1)).tolist()
        return raw

    def _reasons(self, row: Row, line: Sequence[float], count: int) -> list[dict[str, Any]]:
        parts = self.contributions.of(line)
        # equal ones in the order of the features
        strongest = (-np.abs(parts)).argsort(kind="stable")[:count].tolist()
        return [
            {
                "feature": FEATURES[column].label,
                "value": self.encoder.explain(FEATURES[column], row),
                "contribution": float(parts[column]),
            }
            for column in strongest
        ]
