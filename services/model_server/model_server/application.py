"""The HTTP side: which path does what, limits, status codes. An RSGI application for Granian."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

import orjson

from model_server import binary_tensors
from model_server.audit import AuditLog
from model_server.decisions import entry, parse_decision
from model_server.errors import BadRequestError
from model_server.model import Model
from model_server.protocol import (
    Question,
    model_metadata,
    parse_v1,
    parse_v2,
    render_v1,
    render_v2,
    server_metadata,
    version_of,
)
from model_server.telemetry import Telemetry

JSON = [("content-type", "application/json")]
BINARY = ("content-type", "application/octet-stream")
TEXT = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]
INLINE_ROWS = 8  # larger batches leave the event loop, so that probes are answered meanwhile
INLINE_BYTES = 64 << 10

V1_PREDICT = re.compile(r"/v1/models/([^/:]+):predict")
V1_MODEL = re.compile(r"/v1/models/([^/:]+)")
V2_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")

Answer = tuple[bytes, int | None, Any]  # the body, the length of its JSON where binary tensors follow it


@dataclass(frozen=True)
class Limits:
    """What a request may be at most, and how long it may take to come and to be answered."""

    body_bytes: int = 8 << 20
    rows: int = 2000
    read_seconds: float = 10.0
    answer_seconds: float = 60.0


class Application:
    """Answers requests with one model. Its interface is RSGI's `__rsgi__`."""

    def __init__(
        self, model: Model[Any], name: str, telemetry: Telemetry, limits: Limits, audit: AuditLog | None = None
    ) -> None:
        self.model = model
        self.name = name
        self.telemetry = telemetry
        self.limits = limits
        self.audit = audit
        self._decisions = f"/v1/models/{name}/decisions"
        self._own = {f"/v1/models/{name}:predict": "v1", f"/v2/models/{name}/infer": "v2"}

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto != "http":
            proto.close(None)
            return
        path = scope.path
        if (protocol := self._own.get(path)) is not None:
            await self._predict(scope, proto, protocol, self.name)
        elif (match := V1_PREDICT.fullmatch(path)) is not None:
            await self._predict(scope, proto, "v1", match[1])
        elif (match := V2_MODEL.fullmatch(path)) is not None and match[3] == "/infer":
            await self._predict(scope, proto, "v2", match[1], match[2])
        elif path == self._decisions:
            await self._decide(scope, proto)
        else:
            self._tell(scope, proto, path)

    async def _decide(self, scope: Any, proto: Any) -> None:
        """Record an officer's decision; it is on the disk before it is confirmed."""
        status, document = 201, {}
        try:
            _must_be(scope, "POST")
            if self.audit is None:
                remedy = "set MODEL_SERVER_AUDIT_DIR and MODEL_SERVER_AUDIT_KEY_FILE"
                raise BadRequestError(scope.path, "this server keeps no log of decisions", remedy, status=404)
            decision = parse_decision(await self._body(scope, proto), self.model.outcomes)
            sealed = await asyncio.to_thread(self.audit.append, "decision", entry(decision))
            document = {"recorded": sealed, "override": decision.override}
        except BadRequestError as error:
            status, document = error.status, {"error": str(error)}
        except OSError as error:
            remedy = "try again; the decision is not recorded"
            status, document = 503, {"error": f"audit log: {error.strerror or error}; {remedy}"}
        proto.response_bytes(status, JSON, orjson.dumps(document))

    def _tell(self, scope: Any, proto: Any, path: str) -> None:
        """Answer everything but predictions."""
        try:
            if scope.method not in ("GET", "HEAD"):
                raise BadRequestError(path, f"{scope.method} is not answered here", "use GET", status=405)
            if path == "/metrics":
                proto.response_str(200, TEXT, self.telemetry.render(self.name, {"stable": self.model.digest}))
                return
            document, status = self._document(path)
            proto.response_bytes(status, JSON, orjson.dumps(document))
        except BadRequestError as error:
            proto.response_bytes(error.status, JSON, orjson.dumps({"error": str(error)}))

    def _document(self, path: str) -> tuple[dict[str, Any], int]:
        ready = not self.telemetry.draining
        if path == "/":
            return {"status": "alive", "model": self.name, "model_digest": self.model.digest}, 200
        if path == "/v1/models":
            return {"models": [self.name]}, 200
        if path == "/v2":
            return server_metadata(self.name), 200
        if path == "/v2/health/live":
            return {"live": True}, 200
        if path == "/v2/health/ready":
            return {"ready": ready}, 200 if ready else 503
        if (match := V1_MODEL.fullmatch(path)) is not None:
            self.known(match[1])
            document = {"name": self.name, "ready": ready, "model_digest": self.model.digest}
            return document, 200 if ready else 503
        if (match := V2_MODEL.fullmatch(path)) is not None:
            self.known(match[1], match[2])
            if match[3] == "/ready":
                return {"name": self.name, "ready": ready}, 200 if ready else 503
            return model_metadata(self.model, self.name), 200
        raise BadRequestError(path, "no such path", f"see /v1/models/{self.name} or /v2/models/{self.name}", status=404)

    def known(self, name: str, version: str | None = None) -> None:
        """Raise BadRequestError where a model or version is asked for that is not served here."""
        if name != self.name:
            raise BadRequestError("model", f"no model {name!r}", f"ask {self.name!r}", status=404)
        if version is not None and version != version_of(self.model):
            remedy = f"ask version {version_of(self.model)!r}, or none"
            raise BadRequestError("version", f"no version {version!r}", remedy, status=404)

    async def _predict(self, scope: Any, proto: Any, protocol: str, name: str, version: str | None = None) -> None:
        self.telemetry.began()
        start = time.perf_counter()
        status, headers = 200, JSON
        try:
            _must_be(scope, "POST")
            self.known(name, version)
            json_length = self._json_length(scope, protocol)
            body = await self._body(scope, proto)
            start = time.perf_counter()
            model = self.model
            answer, answer_json_length, answers = await self._answer(model, protocol, body, json_length)
            if answer_json_length is not None:
                headers = [BINARY, (binary_tensors.HEADER, str(answer_json_length))]
            self.telemetry.counted(model.counted(answers))
        except BadRequestError as error:
            status, answer = error.status, orjson.dumps({"error": str(error)})
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status, answer = 500, orjson.dumps({"error": "internal error; see the server's log"})
        self.telemetry.ended(protocol, status, time.perf_counter() - start)
        proto.response_bytes(status, headers, answer)

    def _json_length(self, scope: Any, protocol: str) -> int | None:
        text = scope.headers.get(binary_tensors.HEADER)
        if text is None:
            return None
        if protocol == "v1":
            raise BadRequestError(binary_tensors.HEADER, "V1 has no binary tensors", "leave it out, or use V2")
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise BadRequestError(binary_tensors.HEADER, f"{text[:20]!r} is no length", "send the bytes of the JSON")
        return int(text)

    async def _answer(self, model: Model[Any], protocol: str, body: bytes, json_length: int | None) -> Answer:
        if len(body) > INLINE_BYTES:
            return await self._aside(model, protocol, body, json_length, None)
        question = self._question(model, protocol, body, json_length)
        if len(question.records) > INLINE_ROWS:
            return await self._aside(model, protocol, body, json_length, question)
        return self._work(model, protocol, body, json_length, question)

    async def _aside(self, *work: Any) -> Answer:
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                return await asyncio.to_thread(self._work, *work)
        except TimeoutError:
            what = f"not answered within {self.limits.answer_seconds:g} s"
            raise BadRequestError("request", what, "send fewer records a request", status=504) from None

    def _question(self, model: Model[Any], protocol: str, body: bytes, json_length: int | None) -> Question:
        if protocol == "v1":
            return parse_v1(model, body, self.limits.rows)
        return parse_v2(model, body, self.limits.rows, json_length)

    def _work(
        self, model: Model[Any], protocol: str, body: bytes, json_length: int | None, question: Question | None
    ) -> Answer:
        question = question or self._question(model, protocol, body, json_length)
        answers = model.answer(question.records, question.options)
        if protocol == "v1":
            return render_v1(model, answers), None, answers
        return *render_v2(model, self.name, question, answers), answers

    async def _body(self, scope: Any, proto: Any) -> bytes:
        try:
            async with asyncio.timeout(self.limits.read_seconds):
                return await self._whole_body(scope, proto)
        except TimeoutError:
            what = f"did not come within {self.limits.read_seconds:g} s"
            raise BadRequestError("body", what, "send it faster, or in parts", status=408) from None

    async def _whole_body(self, scope: Any, proto: Any) -> bytes:
        limit = self.limits.body_bytes
        declared = scope.headers.get("content-length")
        too_large = BadRequestError("body", f"more than {limit} bytes", "send fewer records a request", status=413)
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


def _must_be(scope: Any, method: str) -> None:
    if scope.method != method:
        raise BadRequestError(scope.path, f"{scope.method} is not answered here", f"use {method}", status=405)
