"""The risk model as the server sees it: its tensors, its records, its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from model_server.errors import BadRequestError
from model_server.model import Tensor
from model_server.sealed import SealedModel
from risk_scoring.features import FEATURES
from risk_scoring.predictor import REASONS, Predictions, Predictor
from risk_scoring.schema import FIELD_OF_COLUMN, NUMERIC_FIELDS, Declaration, Row, parse_declaration

LANES = ("green", "yellow", "red")


class RiskModel:
    """A `model_server.model.Model` of declarations."""

    platform = "lightgbm"
    inputs = tuple(Tensor(name, "FP64" if name in NUMERIC_FIELDS else "BYTES") for name in Declaration.model_fields)
    outputs = (Tensor("score", "FP64"), Tensor("lane", "BYTES"), Tensor("reasons", "BYTES"))
    aliases: Mapping[str, str] = FIELD_OF_COLUMN
    outcomes = LANES
    record_schema = Declaration.model_json_schema(by_alias=False)

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.digest = predictor.digest
        self.details = {
            "red_from": predictor.red,
            "yellow_from": predictor.yellow,
            "trained": predictor.card.get("created", ""),
        }
        self.card = predictor.card

    def options(self, parameters: Mapping[str, Any], outputs: Sequence[str]) -> int:
        """Return how many reasons are wanted."""
        reasons = parameters.get("reasons", REASONS)
        if isinstance(reasons, bool) or not isinstance(reasons, int) or not 0 <= reasons <= len(FEATURES):
            raise BadRequestError("parameters.reasons", "no number of reasons", f"send 0 to {len(FEATURES)}")
        return reasons if "reasons" in outputs else 0

    def read(self, record: object, where: str) -> Row:
        """Return a declaration by field name."""
        return parse_declaration(record, where)

    def answer(self, records: Sequence[Row], options: int) -> Predictions:
        """Return scores, lanes and reasons."""
        return self.predictor.predict(records, options)

    def instances(self, answers: Predictions) -> list[dict[str, Any]]:
        """Return one object a declaration."""
        reasons: Sequence[Sequence[dict[str, Any]]] = answers.reasons or [[]] * len(answers.scores)
        return [
            {"score": score, "lane": lane, "reasons": why}
            for score, lane, why in zip(answers.scores, answers.lanes, reasons, strict=True)
        ]

    def column(self, answers: Predictions, output: str) -> Sequence[Any]:
        """Return one output; `reasons` holds the JSON list of each declaration."""
        if output == "score":
            return answers.scores
        if output == "lane":
            return answers.lanes
        reasons: Sequence[Sequence[dict[str, Any]]] = answers.reasons or [[]] * len(answers.scores)
        return [orjson.dumps(why).decode() for why in reasons]

    def counted(self, answers: Predictions) -> Sequence[str]:
        """Return the lanes."""
        return answers.lanes

    def scores(self, answers: Predictions) -> Sequence[float]:
        """Return the scores."""
        return answers.scores


def load(sealed: SealedModel) -> RiskModel:
    """Return the model of its files. Raises ServiceError where they are none of this code's."""
    return RiskModel(Predictor.of(sealed))
