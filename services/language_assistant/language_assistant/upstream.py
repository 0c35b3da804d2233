"""A language model elsewhere: any server of the OpenAI protocol, for example vLLM in an InferenceService.

It is given the passages and the rules; what it says goes through the check of citations, and what it wants done is a
proposal and no more. It is always asked for a stream: an answer can be cut off, and its caller sees it grow.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from language_assistant.actions import tools
from language_assistant.answers import Asked, End, Piece, Text, Wish
from language_assistant.citations import prompt
from model_server.errors import BadRequestError

LINE_LETTERS_MOST = 1 << 20
ARGUMENTS_LETTERS_MOST = 4096
WISHES_MOST = 4


@dataclass(frozen=True)
class UpstreamSettings:
    """Where the model is asked, under which name, whether it knows tools, and how long an answer may take."""

    url: str  # with its /v1
    model: str
    tools: bool
    seconds: float


class Upstream:
    """Asks the model; it has the name that callers ask for."""

    def __init__(self, settings: UpstreamSettings, client: httpx.AsyncClient) -> None:
        self.id = settings.model
        self._settings = settings
        self._client = client

    def request(self, asked: Asked) -> dict[str, Any]:
        """Return what the model is sent: our rules come before anything that a caller says."""
        rules = {"role": "system", "content": prompt(asked.found, asked.language)}
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [rules, *asked.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **asked.options,
        }
        if asked.tokens_most is not None:
            body["max_tokens"] = asked.tokens_most
        if self._settings.tools and asked.may_propose:
            body["tools"] = tools()
        return body

    async def answer(self, asked: Asked) -> AsyncIterator[Piece]:
        """Yield what the model says. Raises BadRequestError (503) where it cannot be asked or breaks off."""
        try:
            async with (
                asyncio.timeout(self._settings.seconds),
                self._client.stream(
                    "POST", f"{self._settings.url}/chat/completions", json=self.request(asked)
                ) as response,
            ):
                if response.status_code != 200:
                    raise self._away(f"it answered with HTTP {response.status_code}")
                async for piece in self._pieces(response):
                    yield piece
        except TimeoutError:
            raise self._away(f"it did not answer within {self._settings.seconds:g} s") from None
        except httpx.HTTPError as error:
            raise self._away(f"it cannot be reached ({type(error).__name__})") from None
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise self._away("it does not speak the protocol") from None

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[Piece]:
        calls: dict[int, dict[str, str]] = {}
        reason, usage, ended = "stop", (0, 0), False
        async for line in response.aiter_lines():
            if len(line) > LINE_LETTERS_MOST:
                raise ValueError("too long")
            if not line.startswith("data:"):
                continue
            data = line[5:].strip()
            if data == "[DONE]":
                ended = True
                break
            event = json.loads(data)
            if "error" in event:
                raise self._away("it broke off")
            if event.get("usage"):
                usage = (int(event["usage"]["prompt_tokens"]), int(event["usage"].get("completion_tokens", 0)))
            for choice in event["choices"][:1]:
                delta = choice.get("delta") or {}
                if delta.get("content"):
                    yield Text(str(delta["content"]))
                _gather(calls, delta)
                if choice.get("finish_reason"):
                    ended = True
                    reason = "length" if choice["finish_reason"] == "length" else "stop"
        if not ended:
            raise self._away("it broke off")
        for _, call in sorted(calls.items())[:WISHES_MOST]:
            yield Wish(_action(call))
        yield End(reason, *usage)

    def _away(self, what: str) -> BadRequestError:
        return BadRequestError("model", f"{self.id}: {what}", "ask again, or ask the extractive model", status=503)


def _gather(calls: dict[int, dict[str, str]], delta: Mapping[str, Any]) -> None:
    for part in delta.get("tool_calls") or ():
        call = calls.setdefault(int(part.get("index", 0)), {"name": "", "arguments": ""})
        function = part.get("function") or {}
        call["name"] += function.get("name") or ""
        call["arguments"] = (call["arguments"] + (function.get("arguments") or ""))[:ARGUMENTS_LETTERS_MOST]


def _action(call: Mapping[str, str]) -> dict[str, Any]:
    """Return the act that a call wishes for; what is no act is told as one that cannot be proposed."""
    try:
        arguments = json.loads(call["arguments"] or "{}")
    except ValueError:
        arguments = {}
    return {**(arguments if isinstance(arguments, dict) else {}), "action": call["name"]}
