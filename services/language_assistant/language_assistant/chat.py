"""The OpenAI protocol as plain data: requests that are understood, and answers as its clients read them.

What this server cannot do is refused with the parameter's name, never taken and left undone. `citations`, `proposals`
and `grounded` are additions, which clients of the protocol pass over.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_server.errors import BadRequestError
from model_server.protocol import parse_json

EMBEDDING_MODEL = "all-minilm-l6-v2"
LETTERS_MOST = 32_000
TEXTS_MOST = 256
MESSAGES_MOST = 64
# What a language model is told of a request; the sentences of passages know nothing of them.
PASSED_ON = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty")
OUR_OWN = {
    "tools": "the acts that can be proposed are this server's own",
    "tool_choice": "the acts that can be proposed are this server's own",
    "functions": "the acts that can be proposed are this server's own",
    "function_call": "the acts that can be proposed are this server's own",
}
LetterText = Annotated[str, Field(max_length=LETTERS_MOST)]
Kind = TypeVar("Kind", bound=BaseModel)
Share = Annotated[float, Field(ge=0, le=2)]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TextPart(_Request):
    """A part of a message: text alone is read."""

    type: Literal["text"]
    text: LetterText


class Message(_Request):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: LetterText | Annotated[list[TextPart], Field(min_length=1, max_length=64)]
    name: Annotated[str, Field(max_length=64)] | None = None

    def plain(self) -> dict[str, str]:
        """Return the turn with its text in one piece."""
        text = self.content if isinstance(self.content, str) else "\n".join(one.text for one in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(_Request):
    """Whether the stream ends with what the answer cost."""

    include_usage: bool = False
    include_obfuscation: bool = False


class TextFormat(_Request):
    """The form of the answer: text and no other."""

    type: Literal["text"] = "text"


class _Made(_Request):
    model: Annotated[str, Field(min_length=1, max_length=200)]
    max_tokens: Annotated[int, Field(ge=1, le=8192)] | None = None
    temperature: Share | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None
    stop: Annotated[str, Field(max_length=100)] | Annotated[list[str], Field(max_length=4)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Annotated[str, Field(max_length=200)] | None = None

    def passed_on(self) -> dict[str, Any]:
        """Return what a language model is told of the request."""
        return {name: value for name in PASSED_ON if (value := getattr(self, name)) is not None}

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(_Made):
    """A request for the next turn of a conversation."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MESSAGES_MOST)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=8192)] | None = None
    response_format: TextFormat | None = None
    metadata: dict[str, str] | None = None
    store: Literal[False] | None = None


class CompletionRequest(_Made):
    """A request of the older kind: one question."""

    prompt: Annotated[str, Field(min_length=1, max_length=LETTERS_MOST)]


class EmbeddingRequest(_Request):
    """A request for the vectors of texts."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    input: LetterText | Annotated[list[LetterText], Field(min_length=1, max_length=TEXTS_MOST)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Literal[384] | None = None
    user: Annotated[str, Field(max_length=200)] | None = None


class SearchRequest(_Request):
    """A request for passages alone."""

    query: Annotated[str, Field(min_length=1, max_length=LETTERS_MOST)]
    top: Annotated[int, Field(ge=1, le=50)] = 5
    language: Literal["en", "fr"] | None = None


class ProposalRequest(_Request):
    """An act that a program or an officer proposes."""

    action: dict[str, Any]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class DecisionRequest(_Request):
    """What an officer decides. Where callers show tokens the officer is the token's owner, and none is named here."""

    officer: Annotated[str, Field(max_length=64)] = ""
    reason: Annotated[str, Field(max_length=500)] = ""


def parse(kind: type[Kind], body: bytes) -> Kind:
    """Read a request. Raises BadRequestError that names the parameter in fault."""
    document = parse_json(body)
    for name, why in OUR_OWN.items():
        if document.get(name) is not None:
            raise BadRequestError(name, why, "leave it out")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(one) for one in first["loc"]) or "body"
        raise BadRequestError(where, first["msg"], "see the reference of the language assistant") from None


def error_document(error: BadRequestError) -> dict[str, Any]:
    """Return an error as clients of the protocol read it; `message` is where, what and the remedy."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    code = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}.get(error.status)
    return {"error": {"message": str(error), "type": kind, "param": error.where, "code": code}}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return what an answer cost."""
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def whole(
    name: str, model: str, created: int, text: str, reason: str, more: Mapping[str, Any], cost: Mapping[str, int]
) -> dict[str, Any]:
    """Return an answer in one piece; `name` begins with `chatcmpl` for a turn, with `cmpl` for the older kind."""
    chat = name.startswith("chatcmpl")
    said = {"message": {"role": "assistant", "content": text, "refusal": None, **more}} if chat else {"text": text}
    return {
        "id": name,
        "object": "chat.completion" if chat else "text_completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, **said, "logprobs": None, "finish_reason": reason}],
        "usage": dict(cost),
        **({} if chat else more),
    }


def chunk(
    name: str, model: str, created: int, delta: Mapping[str, Any], reason: str | None, cost: Mapping[str, int] | None
) -> dict[str, Any]:
    """Return a piece of a stream; with a cost it is the one that only tells it."""
    chat = name.startswith("chatcmpl")
    said = {"delta": dict(delta)} if chat else {"text": delta.get("content", "")}
    more = {} if chat else {key: value for key, value in delta.items() if key not in ("content", "role")}
    return {
        "id": name,
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": created,
        "model": model,
        "choices": [] if cost is not None else [{"index": 0, **said, "logprobs": None, "finish_reason": reason}],
        **({"usage": dict(cost)} if cost is not None else {}),
        **more,
    }


def embeddings(vectors: Any, encoding: str, words: int) -> dict[str, Any]:
    """Return vectors as clients of the protocol read them."""

    def written(vector: Any) -> Any:
        if encoding == "base64":
            return base64.b64encode(np.ascontiguousarray(vector, dtype="<f4").tobytes()).decode()
        return [float(one) for one in vector]

    data = [{"object": "embedding", "index": i, "embedding": written(one)} for i, one in enumerate(vectors)]
    cost = {"prompt_tokens": words, "total_tokens": words}
    return {"object": "list", "data": data, "model": EMBEDDING_MODEL, "usage": cost}


def models(names: Sequence[str], created: int) -> dict[str, Any]:
    """Return the list of models."""
    return {"object": "list", "data": [model(one, created) for one in names]}


def model(name: str, created: int) -> dict[str, Any]:
    """Return one model."""
    return {"id": name, "object": "model", "created": created, "owned_by": "administration"}
