"""A small service: the price per kilogram against a factor. Its model may be told to fail, or to be slow."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from model_server import serve
from model_server.errors import BadRecordError
from model_server.model import Tensor

ENDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


class Peers:
    platform, outcomes, details = "arithmetic", ("usual", "low"), {"unit": "currency/kg"}
    inputs = (Tensor("goods", "BYTES"), Tensor("price", "FP64"), Tensor("image", "BYTES", raw=True))
    outputs = (Tensor("score", "FP64"), Tensor("verdict", "BYTES"), Tensor("pair", "FP32", (2,)))
    aliases = {"Price": "price"}

    def __init__(self, sealed: Any) -> None:
        self.digest, self.card = sealed.digest, sealed.card
        self.told = json.loads(sealed.files["peers.json"])

    def options(self, parameters: Any, outputs: Any) -> None:
        return None

    def read(self, record: Any, where: str) -> Any:
        if not isinstance(record, dict) or not isinstance(record.get("price"), float):
            raise BadRecordError(f"{where}.price", "no number", "send a price")
        return record

    def answer(self, records: Any, options: Any) -> list[float]:
        if self.told.get("fails"):
            raise RuntimeError("this model fails")
        time.sleep(self.told.get("seconds", 0))
        return [min(1.0, record["price"] * self.told["factor"]) for record in records]

    def instances(self, answers: Any) -> Any:
        return [{"score": score, "verdict": self._verdict(score)} for score in answers]

    def column(self, answers: Any, output: str) -> Any:
        if output == "pair":
            return [[score, 1 - score] for score in answers]
        return answers if output == "score" else [self._verdict(score) for score in answers]

    def counted(self, answers: Any) -> Any:
        return [self._verdict(score) for score in answers]

    def scores(self, answers: Any) -> Any:
        return answers

    def _verdict(self, score: float) -> str:
        return "low" if score < 0.5 else "usual"


if __name__ == "__main__":
    sys.exit(serve.run(Peers, "peers"))
