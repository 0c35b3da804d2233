"""The classifier as the server sees it: its tensors, its records, its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from hs_classification.classifier import Classifier
from hs_classification.evaluate import LEAST_CONFIDENCE
from hs_classification.features import Numbers
from hs_classification.train import FILE
from model_server.errors import BadRecordError, BadRequestError, ServiceError
from model_server.model import Tensor
from model_server.sealed import SealedModel
from text_encoder import open_encoder

TOP, TOP_MOST = 5, 20
LONGEST = 1000
OUTCOMES = ("sure", "unsure")


class Encodes(Protocol):
    """What turns texts into vectors."""

    def encode(self, texts: Sequence[str]) -> Numbers:
        """Return a vector for each text."""


class HsModel:
    """A `model_server.model.Model` of descriptions."""

    platform = "portolan-hs-classification"
    inputs = (Tensor("description", "BYTES"),)
    outputs = (Tensor("hs6_code", "BYTES"), Tensor("confidence", "FP64"), Tensor("candidates", "BYTES"))
    aliases: Mapping[str, str] = {}
    outcomes = OUTCOMES

    def __init__(self, sealed: SealedModel, encoder: Encodes) -> None:
        try:
            self.classifier = Classifier.from_bytes(sealed.files[FILE])
        except (KeyError, ValueError, OSError) as error:
            raise ServiceError(FILE, f"no classifier of this code ({error})", "train it again") from error
        self.encoder = encoder
        self.digest = sealed.digest
        self.card = sealed.card
        self.details = {
            "subheadings": len(self.classifier.codes),
            "nomenclature": "HS 2022",
            "sure_from": LEAST_CONFIDENCE,
        }

    def options(self, parameters: Mapping[str, Any], outputs: Sequence[str]) -> int:
        """Return how many candidates are wanted."""
        top = parameters.get("top", TOP)
        if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= TOP_MOST:
            raise BadRequestError("parameters.top", "no number of candidates", f"send 1 to {TOP_MOST}")
        return top

    def read(self, record: object, where: str) -> str:
        """Return a description, checked."""
        if not isinstance(record, Mapping):
            raise BadRecordError(where, "no JSON object", 'send {"description": "..."}')
        unknown = [str(key) for key in record if key != "description"]
        if unknown:
            raise BadRecordError(f"{where}.{unknown[0]}", "unknown field", "send description alone")
        text = record.get("description")
        if not isinstance(text, str) or not text.strip():
            raise BadRecordError(f"{where}.description", "no text", "say in words what the goods are")
        if len(text) > LONGEST:
            raise BadRecordError(f"{where}.description", f"{len(text)} letters", f"send at most {LONGEST}")
        return text

    def answer(self, records: Sequence[str], options: int) -> list[dict[str, Any]]:
        """Return the likeliest subheadings of each."""
        vectors = self.encoder.encode(records)
        return [self._one(text, vector, options) for text, vector in zip(records, vectors, strict=True)]

    def _one(self, text: str, vector: Numbers, top: int) -> dict[str, Any]:
        found = self.classifier.classify(text, vector, top)
        return {
            "hs6_code": found[0][0],
            "confidence": found[0][2],
            "outcome": "sure" if found[0][2] >= LEAST_CONFIDENCE else "unsure",
            "candidates": [{"hs6_code": code, "text": said, "confidence": sure} for code, said, sure in found],
        }

    def instances(self, answers: list[dict[str, Any]]) -> Sequence[Any]:
        """Return one object a description."""
        return answers

    def column(self, answers: list[dict[str, Any]], output: str) -> Sequence[Any]:
        """Return one output; `candidates` holds the JSON of each description."""
        if output == "candidates":
            return [orjson.dumps(answer[output]).decode() for answer in answers]
        return [answer[output] for answer in answers]

    def counted(self, answers: list[dict[str, Any]]) -> Sequence[str]:
        """Return whether each first answer is sure."""
        return [answer["outcome"] for answer in answers]

    def scores(self, answers: list[dict[str, Any]]) -> Sequence[float]:
        """Return the confidences of the first answers."""
        return [answer["confidence"] for answer in answers]


def load(sealed: SealedModel) -> HsModel:
    """Return the model of its files. Raises ServiceError where they are none of this code's."""
    return HsModel(sealed, open_encoder())
