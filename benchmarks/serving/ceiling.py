"""The most that this HTTP stack and this model can give: read the body, score a row, answer fixed bytes.

The stack is started as the model server starts it, so that connections are kept and refused alike. The rows are those
of the declarations that the servers are asked for, ready-made, in turn: one row again and again would stay in the
processor's cache with all that the model looks up for it, which no server's rows do. The bytes are as many as an
answer of the model server has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import orjson
from model_server import settings
from model_server.errors import JSON
from model_server.sealed import read_sealed
from model_server.serve import serve_until_stopped
from model_server.storage import Folder
from model_server.telemetry import Telemetry
from risk_scoring.predictor import Predictor

REASON = {
    "feature": "price per kilogram against the usual for this HS6 code",
    "value": "775550: 12 of 345 past declarations were fraud",
    "contribution": 0.1234567890123456,
}


def answer(reasons: int) -> bytes:
    """Return an answer with so many reasons, as long as those of the model server are."""
    told = {"score": 0.1234567890123456, "lane": "green", "reasons": [REASON] * reasons}
    return orjson.dumps({"predictions": [told], "model_digest": "0" * 64})


class Ceiling:
    """The handler; what it does between reading and answering is the bare model."""

    def __init__(self, predictor: Predictor, rows: Sequence[Sequence[float]], reasons: bool) -> None:
        self._row = cycle(rows).__next__
        self._score = predictor.single_row.raw_score
        self._contributions = predictor.contributions.of if reasons else None
        self._answer = answer(3 if reasons else 0)

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        await proto()
        row = self._row()
        self._score(row)
        if self._contributions is not None:
            self._contributions(row)
        proto.response_bytes(200, JSON, self._answer)


if __name__ == "__main__":
    work, address, port, reasons = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    rows = [orjson.loads(line)["instances"][0] for line in (work / "numbers.jsonl").read_bytes().splitlines()]
    handler = Ceiling(Predictor.of(read_sealed(Folder(work / "model"))), rows, reasons == "reasons")
    listen = argparse.Namespace(address=address, port=port)
    serve_until_stopped(Telemetry(), settings.load(), "ceiling:Ceiling", listen, lambda *_, **__: handler)
