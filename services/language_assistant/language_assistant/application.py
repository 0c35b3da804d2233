"""The HTTP side: which path does what, limits, status codes. An RSGI application for Granian."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import secrets
import sys
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from language_assistant import chat
from language_assistant.actions import parse_action
from language_assistant.assistant import Assistant, Delta, Done
from language_assistant.documents.invoice import LETTERS_MOST, read_invoice
from language_assistant.documents.pdf import text_of_pdf
from language_assistant.effects import Effects
from language_assistant.proposals import STATES, Origin, Proposals
from model_server.application import Limits
from model_server.authentication import Authenticator
from model_server.errors import BadRequestError
from model_server.protocol import parse_json
from model_server.telemetry import Telemetry
from model_server.tracing import Tracer

JSON = [("content-type", "application/json")]
TEXT = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]
EVENTS = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")]
PROPOSAL = re.compile(r"/v1/proposals/([^/:]+)(?::(confirm|reject))?")
MODEL = re.compile(r"/v1/models/([^/]+)")


@dataclass(frozen=True)
class Access:
    """Who may ask, and who may confirm: two permissions, for a program that asks is no officer."""

    ask: Authenticator | None = None
    confirm: Authenticator | None = None


class Application:
    """Answers questions, reads documents, keeps proposals. Its interface is RSGI's `__rsgi__`."""

    def __init__(
        self,
        name: str,
        assistant: Assistant,
        telemetry: Telemetry,
        limits: Limits,
        access: Access,
        effects: Effects | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.name = name
        self.assistant = assistant
        self.telemetry = telemetry
        self.limits = limits
        self.access = access
        self.effects = effects
        self.tracer = tracer
        self.created = int(time.time())
        self._posts = {
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._complete,
            "/v1/embeddings": self._embed,
            "/v1/search": self._search,
            "/v1/documents:read": self._read,
            "/v1/proposals": self._propose,
        }

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called by Granian when the worker has answered its last request."""
        if self.tracer is not None:
            self.tracer.stop()

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.proto != "http":
            proto.close(None)
            return
        path = scope.path
        if path.startswith("/v1/"):
            await self._answer(scope, proto)
        else:
            self._tell(scope, proto)

    async def _answer(self, scope: Any, proto: Any) -> None:
        """Answer one request, count it and record its span."""
        self.telemetry.began()
        start, status = time.perf_counter(), 200
        try:
            status, document = await self._route(scope, proto)
            if document is not None:
                proto.response_bytes(status, JSON, orjson.dumps(document))
        except BadRequestError as error:
            status = error.status
            proto.response_bytes(status, JSON, orjson.dumps(chat.error_document(error)))
        except OSError as error:
            self.telemetry.count_audit_failure()
            status, what = 503, f"the disk does not take it ({error.strerror or type(error).__name__})"
            refused = BadRequestError("log", what, "try again; nothing was done", status=status)
            proto.response_bytes(status, JSON, orjson.dumps(chat.error_document(refused)))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status = 500
            refused = BadRequestError("server", "internal error", "see the server's log", status=status)
            proto.response_bytes(status, JSON, orjson.dumps(chat.error_document(refused)))
        seconds = time.perf_counter() - start
        self.telemetry.ended("v1", status, seconds)
        if self.tracer is not None:
            parent = scope.headers.get("traceparent")
            self.tracer.record(parent, seconds, "v1", status, "stable", self.assistant.index.digest)

    async def _route(self, scope: Any, proto: Any) -> tuple[int, dict[str, Any] | None]:
        """Return status and answer; no answer where it has been sent already."""
        path = scope.path
        decision = PROPOSAL.fullmatch(path)
        deciding = decision is not None and decision[2] is not None
        reviewer = self.access.confirm if deciding else self.access.ask
        who = "" if reviewer is None else await reviewer.subject(scope.headers.get("authorization"))
        if deciding:
            _must_be(scope, "POST")
            assert decision is not None
            return 200, await self._decide(decision[1], decision[2], who, await self._body(scope, proto))
        if (handler := self._posts.get(path)) is not None and (path != "/v1/proposals" or scope.method == "POST"):
            _must_be(scope, "POST")
            return await handler(await self._body(scope, proto), who, proto)
        _must_be(scope, "GET", "HEAD")
        return 200, await self._known(scope, decision[1] if decision else None)

    async def _known(self, scope: Any, proposal: str | None) -> dict[str, Any]:
        names = (*self.assistant.answerers, chat.EMBEDDING_MODEL)
        if proposal is not None:
            return (await asyncio.to_thread(self._proposals(scope.path).read, proposal)).document()
        if scope.path == "/v1/proposals":
            query = dict(part.partition("=")[::2] for part in scope.query_string.split("&"))
            state = query.get("state", "open")
            if state not in STATES:
                raise BadRequestError("state", f"no state {state[:20]!r}", f"ask {', '.join(STATES)}")
            found = await asyncio.to_thread(self._proposals(scope.path).listed, state)
            return {"object": "list", "data": [one.document() for one in found]}
        if scope.path == "/v1/models":
            return chat.models(names, self.created)
        if (match := MODEL.fullmatch(scope.path)) is not None:
            if match[1] not in names:
                raise BadRequestError("model", f"no model {match[1][:60]!r}", f"ask {', '.join(names)}", status=404)
            return chat.model(match[1], self.created)
        raise BadRequestError(scope.path, "no such path", "see the reference of the language assistant", status=404)

    async def _chat(self, body: bytes, who: str, proto: Any) -> tuple[int, dict[str, Any] | None]:
        return await self._turn(chat.parse(chat.ChatRequest, body), "chatcmpl", who, proto)

    async def _complete(self, body: bytes, who: str, proto: Any) -> tuple[int, dict[str, Any] | None]:
        asked = chat.parse(chat.CompletionRequest, body)
        given = asked.model_dump(exclude={"prompt"}, exclude_none=True)
        messages = [chat.Message(role="user", content=asked.prompt)]
        return await self._turn(chat.ChatRequest(**given, messages=messages), "cmpl", who, proto)

    async def _turn(
        self, asked: chat.ChatRequest, kind: str, who: str, proto: Any
    ) -> tuple[int, dict[str, Any] | None]:
        name, created = f"{kind}-{secrets.token_hex(12)}", int(time.time())
        pieces = self.assistant.turn(asked, who)
        # the first piece decides the status: what cannot be answered is refused before anything is told
        first = await anext(pieces)
        if asked.stream:
            return await self._stream(asked, name, created, first, pieces, who, proto), None
        texts, done = [first] if isinstance(first, Delta) else [], first if isinstance(first, Done) else None
        async for piece in pieces:
            if isinstance(piece, Done):
                done = piece
            else:
                texts.append(piece)
        assert done is not None
        await self._record(name, asked, done, who)
        text = "".join(one.text for one in texts)
        cost = chat.usage(done.prompt_tokens, done.completion_tokens)
        return 200, chat.whole(name, asked.model, created, text, done.reason, done.additions(), cost)

    async def _stream(
        self,
        asked: chat.ChatRequest,
        name: str,
        created: int,
        first: Delta | Done,
        pieces: AsyncIterator[Delta | Done],
        who: str,
        proto: Any,
    ) -> int:
        """Send the answer as it grows. Once it has begun, what goes wrong is an event: the status is out."""
        line, status, piece = proto.response_stream(200, EVENTS), 200, first

        async def send(document: Any) -> None:
            await line.send_bytes(b"data: " + orjson.dumps(document) + b"\n\n")

        try:
            await send(chat.chunk(name, asked.model, created, {"role": "assistant", "content": ""}, None, None))
            while True:
                if isinstance(piece, Done):
                    await self._record(name, asked, piece, who)
                    delta = piece.additions()
                    await send(chat.chunk(name, asked.model, created, delta, piece.reason, None))
                    if asked.with_usage:
                        cost = chat.usage(piece.prompt_tokens, piece.completion_tokens)
                        await send(chat.chunk(name, asked.model, created, {}, None, cost))
                    break
                await send(chat.chunk(name, asked.model, created, {"content": piece.text}, None, None))
                piece = await anext(pieces)
            await line.send_bytes(b"data: [DONE]\n\n")
        except BadRequestError as error:
            status = error.status
            await send(chat.error_document(error))
        except OSError:  # the log, or a caller that has gone
            self.telemetry.count_audit_failure()
            status = 503
            refused = BadRequestError("answer", "it could not be recorded or sent", "ask again", status=503)
            await send(chat.error_document(refused))
        return status

    async def _record(self, name: str, asked: chat.ChatRequest, done: Done, who: str) -> None:
        """Count an answer, and keep in the log what it rests on; neither question nor answer is kept."""
        self.telemetry.counted([done.outcome])
        kept = self.assistant.proposals
        if kept is not None:
            entry = {
                "answer": name,
                "model": asked.model,
                "index_digest": self.assistant.index.digest,
                "found": list(done.searched),
                "cited": [one["passage"] for one in done.citations],
                "grounded": done.grounded,
                "proposals": [one["id"] for one in done.proposals],
                "asked_by": kept.audit.mask({"officer": who})["officer"],
            }
            await asyncio.to_thread(kept.audit.append, "answer", entry)

    async def _embed(self, body: bytes, who: str, proto: Any) -> tuple[int, dict[str, Any] | None]:
        asked = chat.parse(chat.EmbeddingRequest, body)
        if asked.model != chat.EMBEDDING_MODEL:
            raise BadRequestError("model", f"{asked.model[:60]!r} makes no vectors", f"ask {chat.EMBEDDING_MODEL}", 404)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        vectors = await asyncio.to_thread(self.assistant.encoder.encode, texts)
        return 200, chat.embeddings(vectors, asked.encoding_format, sum(len(one.split()) for one in texts))

    async def _search(self, body: bytes, who: str, proto: Any) -> tuple[int, dict[str, Any] | None]:
        asked = chat.parse(chat.SearchRequest, body)
        found = await self.assistant.search(asked.query, asked.language, asked.top)
        data = [
            {
                "passage": one.passage.id,
                "title": one.passage.title,
                "section": one.passage.section,
                "language": one.passage.language,
                "text": one.passage.text,
                "score": one.score,
                "words": one.words,
                "meaning": one.meaning,
            }
            for one in found
        ]
        return 200, {"object": "list", "data": data, "index_digest": self.assistant.index.digest}

    async def _read(self, body: bytes, who: str, proto: Any) -> tuple[int, dict[str, Any] | None]:
        """Read an invoice: `{"text": ...}` or `{"pdf": base64}`."""
        document = parse_json(body)
        if set(document) - {"text", "pdf"} or len(document) != 1:
            raise BadRequestError("body", "neither a text nor a PDF", 'send {"text": ...} or {"pdf": BASE64}')

        def work() -> dict[str, Any]:
            ((kind, value),) = document.items()
            if not isinstance(value, str) or not value.strip():
                raise BadRequestError(kind, "no text", 'send {"text": ...} or {"pdf": BASE64}')
            if kind == "text" and len(value) > LETTERS_MOST:
                raise BadRequestError(kind, f"{len(value)} letters", f"send at most {LETTERS_MOST}", status=413)
            text = value if kind == "text" else text_of_pdf(_bytes_of(value))
            return {"object": "invoice", **read_invoice(text).model_dump(mode="json")}

        async with asyncio.timeout(self.limits.answer_seconds):
            return 200, await asyncio.to_thread(work)

    async def _propose(self, body: bytes, who: str, proto: Any) -> tuple[int, dict[str, Any] | None]:
        kept = self._proposals("/v1/proposals")
        asked = chat.parse(chat.ProposalRequest, body)
        action = parse_action(asked.action)
        origin = Origin("", self.assistant.index.digest, (), who)
        made = await asyncio.to_thread(kept.propose, action, asked.reason, origin)
        return 201, made.document()

    async def _decide(self, name: str, verb: str, who: str, body: bytes) -> dict[str, Any]:
        """Decide a proposal; only after that is in the log does a confirmed act go out."""
        kept = self._proposals(f"/v1/proposals/{name}")
        asked = chat.parse(chat.DecisionRequest, body or b"{}")
        if who and asked.officer:
            raise BadRequestError("officer", "the officer is the token's owner", "leave it out")
        officer = who or asked.officer.strip()
        if not officer:
            raise BadRequestError("officer", "missing", "say who decides", status=422)
        if verb == "reject" and not asked.reason.strip():
            raise BadRequestError("reason", "missing", "say why it is rejected", status=422)
        confirm = verb == "confirm"
        decided = await asyncio.to_thread(
            kept.decide, name, confirm, officer, asked.reason, confirm and self.effects is not None
        )
        if confirm and self.effects is not None:
            delivered, how = await self.effects.deliver(decided)
            decided = await asyncio.to_thread(kept.effected, decided, delivered, how)
        return decided.document()

    def _proposals(self, path: str) -> Proposals:
        if self.assistant.proposals is None:
            remedy = "set ASSISTANT_STATE_DIR, MODEL_SERVER_AUDIT_DIR and MODEL_SERVER_AUDIT_KEY_FILE"
            raise BadRequestError(path, "this server keeps no proposals", remedy, status=404)
        return self.assistant.proposals

    def _tell(self, scope: Any, proto: Any) -> None:
        ready = not self.telemetry.draining
        digest = self.assistant.index.digest
        known: dict[str, tuple[int, dict[str, Any]]] = {
            "/": (200, {"status": "alive", "models": list(self.assistant.answerers), "index_digest": digest}),
            "/v2/health/live": (200, {"live": True}),
            "/v2/health/ready": (200 if ready else 503, {"ready": ready}),
        }
        if scope.method not in ("GET", "HEAD"):
            answer = (405, {"error": f"{scope.path}: {scope.method} is not answered here; use GET"})
        elif scope.path == "/metrics":
            proto.response_str(200, TEXT, self.telemetry.render(self.name, {"stable": digest}))
            return
        else:
            answer = known.get(scope.path, (404, {"error": f"{scope.path}: no such path; see /v1/models"}))
        proto.response_bytes(answer[0], JSON, orjson.dumps(answer[1]))

    async def _body(self, scope: Any, proto: Any) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.read_seconds):
                async for part in proto:
                    size += len(part)
                    if size > self.limits.body_bytes:
                        remedy = f"send at most {self.limits.body_bytes}"
                        raise BadRequestError("body", f"more than {self.limits.body_bytes} bytes", remedy, status=413)
                    parts.append(bytes(part))
        except TimeoutError:
            raise BadRequestError("body", "did not come in time", "send it faster", status=408) from None
        return b"".join(parts)


def _must_be(scope: Any, *methods: str) -> None:
    if scope.method not in methods:
        remedy = f"use {methods[0]}"
        raise BadRequestError(scope.path, f"{scope.method} is not answered here", remedy, status=405)


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequestError("pdf", "no base64", "send the file in base64") from None
