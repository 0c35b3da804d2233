"""The HTTP side: which path does what, limits, status codes. An RSGI application for Granian."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from risk_scoring.errors import BadRequestError
from risk_scoring.predictor import Predictions, Predictor
from risk_scoring.protocol import (
    Question,
    model_metadata,
    parse_v1,
    parse_v2,
    render_v1,
    render_v2,
    server_metadata,
)
from risk_scoring.telemetry import Telemetry

JSON = [("content-type", "application/json")]
TEXT = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]
INLINE_ROWS = 8  # larger batches leave the event loop, so that probes are answered meanwhile

V1_PREDICT = re.compile(r"/v1/models/([^/:]+):predict")
V1_MODEL = re.compile(r"/v1/models/([^/:]+)")
V2_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")


@dataclass(frozen=True)
class Limits:
    """What a request may be at most."""

    body_bytes: int = 8 << 20
    rows: int = 2000


class Application:
    """Answers requests with one predictor. Its interface is RSGI's `__rsgi__`."""

    def __init__(self, predictor: Predictor, model: str, telemetry: Telemetry, limits: Limits) -> None:
        self.predictor = predictor
        self.model = model
        self.telemetry = telemetry
        self.limits = limits

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto != "http":
            proto.close(None)
            return
        path = scope.path
        if (match := V1_PREDICT.fullmatch(path)) is not None:
            await self._predict(scope, proto, "v1", match[1])
        elif (match := V2_MODEL.fullmatch(path)) is not None and match[3] == "/infer":
            await self._predict(scope, proto, "v2", match[1], match[2])
        else:
            self._tell(scope, proto, path)

    def _tell(self, scope: Any, proto: Any, path: str) -> None:
        """Answer everything but predictions."""
        try:
            if scope.method not in ("GET", "HEAD"):
                raise BadRequestError(path, f"{scope.method} is not answered here", "use GET", status=405)
            if path == "/metrics":
                proto.response_str(200, TEXT, self.telemetry.render(self.model, self.predictor.digest))
                return
            document, status = self._document(path)
            proto.response_bytes(status, JSON, orjson.dumps(document))
        except BadRequestError as error:
            proto.response_bytes(error.status, JSON, orjson.dumps({"error": str(error)}))

    def _document(self, path: str) -> tuple[dict[str, Any], int]:
        ready = not self.telemetry.draining
        if path == "/":
            return {"status": "alive", "model": self.model, "model_digest": self.predictor.digest}, 200
        if path == "/v1/models":
            return {"models": [self.model]}, 200
        if path == "/v2":
            return server_metadata(), 200
        if path == "/v2/health/live":
            return {"live": True}, 200
        if path == "/v2/health/ready":
            return {"ready": ready}, 200 if ready else 503
        if (match := V1_MODEL.fullmatch(path)) is not None:
            self._known(match[1])
            document = {"name": self.model, "ready": ready, "model_digest": self.predictor.digest}
            return document, 200 if ready else 503
        if (match := V2_MODEL.fullmatch(path)) is not None:
            self._known(match[1], match[2])
            if match[3] == "/ready":
                return {"name": self.model, "ready": ready}, 200 if ready else 503
            return model_metadata(self.predictor, self.model), 200
        raise BadRequestError(
            path, "no such path", f"see /v1/models/{self.model} or /v2/models/{self.model}", status=404
        )

    def _known(self, model: str, version: str | None = None) -> None:
        if model != self.model:
            raise BadRequestError("model", f"no model {model!r}", f"ask {self.model!r}", status=404)
        if version is not None and version != self.predictor.digest[:12]:
            remedy = f"ask version {self.predictor.digest[:12]!r}, or none"
            raise BadRequestError("version", f"no version {version!r}", remedy, status=404)

    async def _predict(self, scope: Any, proto: Any, protocol: str, model: str, version: str | None = None) -> None:
        self.telemetry.began()
        start = time.perf_counter()
        status, lanes = 200, []
        try:
            if scope.method != "POST":
                raise BadRequestError(scope.path, f"{scope.method} is not answered here", "use POST", status=405)
            self._known(model, version)
            if scope.headers.get("inference-header-content-length") is not None:
                remedy = "send the tensors as JSON"
                raise BadRequestError("inference-header-content-length", "binary tensors are not spoken here", remedy)
            body = await self._body(scope, proto)
            start = time.perf_counter()
            answer, predictions = await self._answer(protocol, body)
            lanes = list(predictions.lanes)
        except BadRequestError as error:
            status, answer = error.status, orjson.dumps({"error": str(error)})
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status, answer = 500, orjson.dumps({"error": "internal error; see the server's log"})
        self.telemetry.ended(protocol, status, time.perf_counter() - start, lanes)
        proto.response_bytes(status, JSON, answer)

    async def _answer(self, protocol: str, body: bytes) -> tuple[bytes, Predictions]:
        if len(body) > 64 << 10:
            return await asyncio.to_thread(self._work, protocol, body, None)
        question = self._question(protocol, body)
        if len(question.rows) > INLINE_ROWS:
            return await asyncio.to_thread(self._work, protocol, body, question)
        return self._work(protocol, body, question)

    def _question(self, protocol: str, body: bytes) -> Question:
        parse: Callable[[bytes, int], Question] = parse_v1 if protocol == "v1" else parse_v2
        return parse(body, self.limits.rows)

    def _work(self, protocol: str, body: bytes, question: Question | None) -> tuple[bytes, Predictions]:
        question = question or self._question(protocol, body)
        predictions = self.predictor.predict(question.rows, question.reasons)
        if protocol == "v1":
            return render_v1(self.predictor, question, predictions), predictions
        return render_v2(self.predictor, self.model, question, predictions), predictions

    async def _body(self, scope: Any, proto: Any) -> bytes:
        limit = self.limits.body_bytes
        declared = scope.headers.get("content-length")
        too_large = BadRequestError("body", f"more than {limit} bytes", "send fewer declarations a request", status=413)
        if declared is not None and declared.isdigit():
            if int(declared) > limit:
                raise too_large
            whole: bytes = await proto()
            return whole
        parts, size = [], 0
        async for part in proto:
            size += len(part)
            if size > limit:
                raise too_large
            parts.append(part)
        return b"".join(parts)
