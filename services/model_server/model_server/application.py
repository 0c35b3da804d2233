"""The HTTP side: which path does what, limits, status codes. An RSGI application for Granian."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import orjson

from model_server import binary_tensors, bodies, telling
from model_server.aside import aside
from model_server.audit import AuditLog
from model_server.authentication import Authenticator
from model_server.bodies import Limits
from model_server.decisions import entry, parse_decision, parse_result
from model_server.errors import JSON, BadRequestError, MethodError
from model_server.journal import Journal
from model_server.model import Model
from model_server.protocol import (
    VERSION_LETTERS,
    Question,
    parse_v1,
    parse_v2,
    render_v1,
    render_v2,
    version_of,
)
from model_server.telling import V2_MODEL
from model_server.tracing import Tracer
from model_server.versions import Versions

BINARY = ("content-type", "application/octet-stream")
CLOSE = ("connection", "close")  # while it drains: who keeps a connection open asks elsewhere the next time
TEXT = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]
INLINE_ROWS = 8  # larger batches leave the event loop, so that probes are answered meanwhile
INLINE_BYTES = 64 << 10

V1_PREDICT = re.compile(r"/v1/models/([^/:]+):predict")

# Who answered what, with which body, and the length of its JSON where binary tensors follow it.
Answer = tuple[str, Model[Any], Question, bytes, int | None, Any]


class Application:
    """Answers requests with the versions of one model. Its interface is RSGI's `__rsgi__`."""

    def __init__(
        self,
        versions: Versions,
        name: str,
        limits: Limits,
        audit: AuditLog | None = None,
        access: Authenticator | None = None,
        started: Callable[[Application], Awaitable[Any]] | None = None,
        tracer: Tracer | None = None,
        journal: Journal | None = None,
    ) -> None:
        """`started` is awaited once the worker's loop runs, and what it gives is stopped with the worker."""
        self.versions = versions
        self.name = name
        self.telemetry = versions.telemetry
        self.limits = limits
        self.audit = audit
        self.access = access
        self.tracer = tracer
        self.journal = journal
        self._read = bodies.Reader(limits).read
        self._started = started
        self._beside: Any = None
        self._shadowing: asyncio.Task[None] | None = None
        self._decisions, self._results = f"/v1/models/{name}/decisions", f"/v1/models/{name}/results"
        self._own = {f"/v1/models/{name}:predict": "v1", f"/v2/models/{name}/infer": "v2"}

    @property
    def model(self) -> Model[Any]:
        """The stable version."""
        return self.versions.traffic.stable

    @property
    def ready(self) -> bool:
        """Whether the server wants to be asked."""
        return not self.telemetry.draining

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by Granian in the worker, before its first request."""
        if self._started is not None:
            self._beside = loop.run_until_complete(self._started(self))

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by Granian when the worker has answered its last request."""
        if self._beside is not None:
            loop.run_until_complete(self._beside.stop(self.limits.answer_seconds))
        if self.tracer is not None:
            self.tracer.stop()
        if self.journal is not None:
            self.journal.stop()

    def __rsgi__(self, scope: Any, proto: Any) -> Coroutine[Any, Any, None]:
        """Return what answers a request; one coroutine less than if it waited for it itself."""
        path = scope.path
        if (protocol := self._own.get(path)) is not None and scope.proto == "http":
            return self._predict(scope, proto, protocol, self.name)
        return self._other(scope, proto, path)

    async def _other(self, scope: Any, proto: Any, path: str) -> None:
        if scope.proto != "http":
            proto.close(None)
        elif (match := V1_PREDICT.fullmatch(path)) is not None:
            await self._predict(scope, proto, "v1", match[1])
        elif (match := V2_MODEL.fullmatch(path)) is not None and match[3] == "/infer":
            await self._predict(scope, proto, "v2", match[1], match[2])
        elif path in (self._decisions, self._results):
            await self._decide(scope, proto)
        else:
            await self._tell(scope, proto, path)

    async def _decide(self, scope: Any, proto: Any) -> None:
        """Record an officer's decision, or an inspection's result; it is on the disk before it is confirmed."""
        status: int = 201
        headers, document, reading = JSON, dict[str, Any](), False
        try:
            _must_be(scope, "POST")
            if self.audit is None:
                remedy = "set MODEL_SERVER_AUDIT_DIR and MODEL_SERVER_AUDIT_KEY_FILE"
                raise BadRequestError(scope.path, "this server keeps no log of decisions", remedy, status=404)
            await self.subject(scope.headers.get("authorization"))
            reading = True
            body = await bodies.read(scope, proto, self.limits)
            if scope.path == self._results:
                sealed = await asyncio.to_thread(self.audit.append, "result", parse_result(body))
                document = {"recorded": sealed}
            else:
                decision = parse_decision(body, self.model.outcomes)
                sealed = await asyncio.to_thread(self.audit.append, "decision", entry(decision))
                document = {"recorded": sealed, "override": decision.override}
        except BadRequestError as error:
            status, headers, document = error.status, error.headers, {"error": str(error)}
            if not reading:
                await bodies.discard(scope, proto, self.limits)
        except OSError as error:
            self.telemetry.count_audit_failure()
            remedy = "try again; the decision is not recorded"
            status, document = 503, {"error": f"audit log: {error.strerror or error}; {remedy}"}
        if self.telemetry.draining:
            headers = [*headers, CLOSE]
        proto.response_bytes(status, headers, orjson.dumps(document))

    async def _tell(self, scope: Any, proto: Any, path: str) -> None:
        """Answer everything but predictions."""
        try:
            if path == "/metrics":
                _must_be(scope, "GET", "HEAD")
                proto.response_str(200, TEXT, telling.metrics(self))
                return
            document, status = telling.document(self, path)
            _must_be(scope, "GET", "HEAD")
            proto.response_bytes(status, JSON, orjson.dumps(document))
        except BadRequestError as error:
            await bodies.discard(scope, proto, self.limits)
            proto.response_bytes(error.status, error.headers, orjson.dumps({"error": str(error)}))

    async def subject(self, header: str | None) -> str:
        """Return who asks, or nobody where everybody may. Raises BadRequestError where they may not."""
        return "" if self.access is None else await self.access.subject(header)

    def known(self, name: str, version: str | None = None) -> None:
        """Raise BadRequestError where a model or version is asked for that is not served here."""
        if name != self.name:
            raise BadRequestError("model", f"no model {name!r}", f"ask {self.name!r}", status=404)
        if version is not None and self.versions.traffic.named(version, VERSION_LETTERS) is None:
            remedy = f"ask version {version_of(self.model)!r}, or none"
            raise BadRequestError("version", f"no version {version!r}", remedy, status=404)

    async def _predict(self, scope: Any, proto: Any, protocol: str, name: str, version: str | None = None) -> None:
        self.telemetry.began()
        start = time.perf_counter()
        status, headers, arm, shadowed, reading = 200, JSON, "stable", None, False
        caller, body, digest = "", b"", ""
        asked = scope.headers  # each look at it copies all of them
        try:
            _must_be(scope, "POST")
            self.known(name, version)
            if self.access is not None:
                caller = await self.subject(asked.get("authorization"))
            json_length = bodies.json_length(asked, protocol)
            reading = True
            body = await self._read(asked, proto)
            start = time.perf_counter()
            arm, model = self.turn(version, asked)
            question = None if len(body) > INLINE_BYTES else self._question(model, protocol, body, json_length)
            work = arm, model, protocol, body, json_length, question
            if question is None or len(question.records) > INLINE_ROWS:
                done = await self._aside(*work)
            else:
                done = self._work(*work)
            arm, model, question, answer, answer_json_length, answers = done
            if answer_json_length is not None:
                headers = [BINARY, (binary_tensors.HEADER, str(answer_json_length))]
            shadowed, digest = self.after(arm, model, question, answers), model.digest
        except BadRequestError as error:
            status, headers, answer = error.status, error.headers, orjson.dumps({"error": str(error)})
            if not reading:
                await bodies.discard(scope, proto, self.limits)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status, answer = 500, orjson.dumps({"error": "internal error; see the server's log"})
        seconds = time.perf_counter() - start
        if self.tracer is None:
            self.telemetry.ended(protocol, status, seconds, arm)
        else:
            self.ended(protocol, status, seconds, arm, asked.get("traceparent"))
        if self.journal is not None:
            self.journal.note(protocol, status, arm, digest, caller, body, answer)
        if self.telemetry.draining:
            headers = [*headers, CLOSE]
        proto.response_bytes(status, headers, answer)
        if shadowed is not None:
            self.shadow(protocol, *shadowed)

    def ended(self, protocol: str, status: int, seconds: float, arm: str, parent: str | None) -> None:
        """Count a request that ended, and record its span."""
        self.telemetry.ended(protocol, status, seconds, arm)
        if self.tracer is not None:
            digest = self.versions.traffic.digests().get(arm, "")
            self.tracer.record(parent, seconds, protocol, status, arm, digest)

    def turn(self, version: str | None, headers: Any) -> tuple[str, Model[Any]]:
        """Return the arm that answers, and its model: the version that is asked for, else whose turn it is."""
        traffic = self.versions.traffic
        if version is not None and (named := traffic.named(version, VERSION_LETTERS)) is not None:
            return named
        if not traffic.percent:
            return "stable", traffic.stable
        return traffic.choose(headers.get("x-traffic-unit"))

    def answered(
        self, arm: str, model: Model[Any], protocol: str, records: Sequence[Any], options: Any
    ) -> tuple[str, Model[Any], Any]:
        """Return the answers, and which version gave them: where a candidate fails, the stable one answers instead."""
        if arm == "stable":
            return arm, model, model.answer(records, options)
        start = time.perf_counter()
        try:
            return arm, model, model.answer(records, options)
        except BadRequestError:
            raise
        except Exception:
            traceback.print_exc(file=sys.stderr)
            self.telemetry.observed(protocol, 500, time.perf_counter() - start, arm)
        stable = self.model
        return "stable", stable, stable.answer(records, options)

    def after(self, arm: str, model: Model[Any], question: Question, answers: Any) -> tuple[Any, ...] | None:
        """Count an answer; return what a shadow is asked, where there is one."""
        versions = self.versions
        versions.count(arm, model, question.records, answers)
        if versions.registry is not None:
            versions.remember(question.records, question.options)
            if (shadow := versions.traffic.shadow) is not None and arm == "stable":
                return question, answers, shadow
        return None

    def shadow(self, protocol: str, question: Question, answers: Any, shadow: Model[Any]) -> None:
        """Ask a shadow what a caller was answered already; one at a time, so that callers are not held up for long."""
        if self._shadowing is not None and not self._shadowing.done():
            self.versions.not_compared()
            return

        async def ask() -> None:
            start, status = time.perf_counter(), 200
            try:
                other = await aside(shadow.answer, question.records, question.options)
                self.versions.compare(question.records, answers, shadow, other)
            except Exception:
                traceback.print_exc(file=sys.stderr)
                status = 500
            self.telemetry.observed(protocol, status, time.perf_counter() - start, "shadow")

        self._shadowing = asyncio.get_running_loop().create_task(ask())

    async def _aside(self, *work: Any) -> Answer:
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                done: Answer = await aside(self._work, *work)
                return done
        except TimeoutError:
            what = f"not answered within {self.limits.answer_seconds:g} s"
            raise BadRequestError("request", what, "send fewer records a request", status=504) from None

    def _question(self, model: Model[Any], protocol: str, body: bytes, json_length: int | None) -> Question:
        if protocol == "v1":
            return parse_v1(model, body, self.limits.rows)
        return parse_v2(model, body, self.limits.rows, json_length)

    def _work(
        self,
        arm: str,
        model: Model[Any],
        protocol: str,
        body: bytes,
        json_length: int | None,
        question: Question | None,
    ) -> Answer:
        question = question or self._question(model, protocol, body, json_length)
        arm, model, answers = self.answered(arm, model, protocol, question.records, question.options)
        if protocol == "v1":
            return arm, model, question, render_v1(model, answers), None, answers
        return arm, model, question, *render_v2(model, self.name, question, answers), answers


def _must_be(scope: Any, *methods: str) -> None:
    if scope.method not in methods:
        allowed = ", ".join(methods)
        raise MethodError(scope.path, f"{scope.method} is not answered here", f"use {allowed}", allowed)
