"""The most that this HTTP stack and this model can give: read the body, score a fixed row, answer fixed bytes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import MPServer
from model_server.sealed import read_sealed
from model_server.storage import Folder
from risk_scoring.predictor import Predictor

HEADERS = [("content-type", "application/json")]
ANSWER = (
    b'{"predictions":[{"score":0.1234567890123456,"lane":"green","reasons":[]}],"model_digest":"' + b"0" * 64 + b'"}'
)


class Ceiling:
    """The handler; `work` is what it does between reading and answering."""

    def __init__(self, predictor: Predictor, reasons: bool) -> None:
        self.row = [0.0] * predictor.booster.num_feature()
        self.predictor = predictor
        self.reasons = reasons

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        await proto()
        self.predictor.single_row.raw_score(self.row)
        if self.reasons:
            self.predictor.contributions.of(self.row)
        proto.response_bytes(200, HEADERS, ANSWER)


if __name__ == "__main__":
    folder, address, port, reasons = sys.argv[1:5]
    handler = Ceiling(Predictor.of(read_sealed(Folder(Path(folder)))), reasons == "reasons")
    MPServer(
        target="ceiling:Ceiling",
        address=address,
        port=int(port),
        interface=Interfaces.RSGI,
        loop=Loops.asyncio,
        http=HTTPModes.auto,
        workers=1,
        websockets=False,
        log_level=LogLevels.warning,
    ).serve(target_loader=lambda *_, **__: handler)
