"""KServe's own Python server with a LightGBM model, as its stock runtime serves one; run by the peer's interpreter."""

from __future__ import annotations

import sys

import lightgbm
import numpy as np
from kserve import Model, ModelServer


class Stock(Model):
    """Answers V1 requests whose instances are rows of numbers."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self.booster = lightgbm.Booster(model_file=path)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        return {"predictions": self.booster.predict(np.array(payload["instances"]), num_threads=1).tolist()}


if __name__ == "__main__":
    name, path, port = sys.argv[1:4]
    sys.argv = sys.argv[:1]
    ModelServer(http_port=int(port), enable_grpc=False, workers=1).start([Stock(name, path)])
