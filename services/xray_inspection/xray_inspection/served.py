"""The detector as the server sees it: its tensors, its records, its answers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from model_server.errors import BadRecordError, BadRequestError, ServiceError
from model_server.model import Tensor
from model_server.sealed import SealedModel
from xray_inspection.detector import Detector, Settings
from xray_inspection.images import Values, attenuation, decode
from xray_inspection.train import MODEL_FILE, SETTINGS_FILE

OUTCOMES = ("marked", "clear")


class XrayModel:
    """A `model_server.model.Model` of images."""

    platform = "onnxruntime"
    inputs = (Tensor("image", "BYTES", raw=True),)
    outputs = (Tensor("count", "INT64"), Tensor("score", "FP64"), Tensor("detections", "BYTES"))
    aliases: Mapping[str, str] = {}
    outcomes = OUTCOMES

    def __init__(self, sealed: SealedModel) -> None:
        missing = [name for name in (MODEL_FILE, SETTINGS_FILE) if name not in sealed.files]
        if missing:
            raise ServiceError(missing[0], "is missing", "train the detector, or seal one with xray_inspection.seal")
        self.detector = Detector(sealed.files[MODEL_FILE], Settings.from_json(sealed.files[SETTINGS_FILE]))
        self.digest = sealed.digest
        self.card = sealed.card
        self.details = {
            "classes": list(self.detector.settings.classes),
            "threshold": self.detector.settings.threshold,
            "provider": self.detector.provider,
        }

    def options(self, parameters: Mapping[str, Any], outputs: Sequence[str]) -> None:
        """There are none. Raises BadRequestError for one."""
        unknown = [name for name in parameters if name != "binary_data_output"]
        if unknown:
            raise BadRequestError(f"parameters.{unknown[0]}", "unknown", "leave it out: this model has none")

    def read(self, record: object, where: str) -> Values:
        """Return the transmission of an image: a file's bytes, or in JSON their base64, plain or as {"b64": ...}."""
        if not isinstance(record, Mapping) or set(record) != {"image"}:
            raise BadRecordError(where, "no image alone", 'send {"image": {"b64": "..."}}')
        at = f"{where}.image"
        given = record["image"]
        if isinstance(given, Mapping) and set(given) == {"b64"}:
            given = given["b64"]
        if isinstance(given, str):
            try:
                given = base64.b64decode(given, validate=True)
            except (binascii.Error, ValueError) as error:
                raise BadRecordError(at, f"no base64 ({error})", "send the file's bytes in base64") from None
        if not isinstance(given, bytes) or not given:
            raise BadRecordError(at, "no bytes", "send the file's bytes in base64, or as a binary tensor")
        return decode(given, at)

    def answer(self, records: Sequence[Values], options: None) -> list[dict[str, Any]]:
        """Return what was found in each image."""
        return [self._one(transmission) for transmission in records]

    def _one(self, transmission: Values) -> dict[str, Any]:
        found = self.detector.detect(attenuation(transmission))
        return {
            "count": len(found),
            "score": found[0].score if found else 0.0,
            "outcome": "marked" if found else "clear",
            "width": transmission.shape[1],
            "height": transmission.shape[0],
            "detections": [one.document() for one in found],
        }

    def instances(self, answers: list[dict[str, Any]]) -> Sequence[Any]:
        """Return one object an image."""
        return answers

    def column(self, answers: list[dict[str, Any]], output: str) -> Sequence[Any]:
        """Return one output; `detections` holds the JSON of each image."""
        if output == "detections":
            return [orjson.dumps(answer[output]).decode() for answer in answers]
        return [answer[output] for answer in answers]

    def counted(self, answers: list[dict[str, Any]]) -> Sequence[str]:
        """Return whether anything was marked in each."""
        return [answer["outcome"] for answer in answers]

    def scores(self, answers: list[dict[str, Any]]) -> Sequence[float]:
        """Return the surest score of each."""
        return [answer["score"] for answer in answers]


def load(sealed: SealedModel) -> XrayModel:
    """Return the model of its files. Raises ServiceError where they are none of this code's."""
    return XrayModel(sealed)
