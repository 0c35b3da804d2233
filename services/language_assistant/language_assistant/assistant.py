"""One turn: find passages, let a model answer from them, check what it cites, keep what it proposes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from language_assistant.actions import Action, parse_action
from language_assistant.answers import PHRASES, Answerer, Asked, End, Text, Wish
from language_assistant.chat import ChatRequest
from language_assistant.citations import Checker, documents
from language_assistant.extractive import ID as EXTRACTIVE
from language_assistant.index import Found, Index
from language_assistant.proposals import Origin, Proposals, passages_of
from language_assistant.words import language_of, stems
from model_server.errors import BadRequestError
from text_encoder import Encoder

PASSAGES_MOST = 6  # that an answer may rest on
STEMS_FEW = 3  # a question of fewer is searched together with the one before it
OUTCOMES = ("grounded", "not grounded", "nothing found", "proposal")


@dataclass(frozen=True)
class Delta:
    """A piece of the answer that is told."""

    text: str


@dataclass(frozen=True)
class Done:
    """What is told when the answer is whole."""

    reason: str
    prompt_tokens: int
    completion_tokens: int
    citations: Sequence[Mapping[str, Any]]
    proposals: Sequence[Mapping[str, Any]]
    grounded: bool | None  # None: nothing was stated
    searched: Sequence[str]

    @property
    def outcome(self) -> str:
        """Return what is counted."""
        if self.proposals:
            return "proposal"
        if self.grounded is None:
            return "nothing found"
        return "grounded" if self.grounded else "not grounded"

    def additions(self) -> dict[str, Any]:
        """Return what the answer tells beside the protocol."""
        return {
            "citations": list(self.citations),
            "proposals": list(self.proposals),
            "grounded": self.grounded,
        }


class Assistant:
    """Puts the parts together."""

    def __init__(
        self, index: Index, encoder: Encoder, answerers: Mapping[str, Answerer], proposals: Proposals | None
    ) -> None:
        """The first of `answerers` is the one that is told first."""
        self.index = index
        self.encoder = encoder
        self.answerers = answerers
        self.proposals = proposals

    def answerer(self, name: str) -> Answerer:
        """Return the model that is asked for. Raises BadRequestError where there is none."""
        found = self.answerers.get(name)
        if found is None:
            remedy = f"ask {' or '.join(self.answerers)}"
            raise BadRequestError("model", f"no model {name!r}", remedy, status=404)
        return found

    async def search(self, question: str, language: str | None, top: int) -> list[Found]:
        """Return the passages for a question; the work is done beside the loop, so that probes are answered."""

        def work() -> list[Found]:
            return self.index.search(question, self.encoder.encode([question])[0], top, language)

        return await asyncio.to_thread(work)

    async def turn(self, request: ChatRequest, caller: str) -> AsyncIterator[Delta | Done]:
        """Yield the answer's pieces, `Done` last. Raises BadRequestError where there can be no answer."""
        answerer = self.answerer(request.model)
        messages = [one.plain() for one in request.messages]
        question, searched, language = question_of(messages)
        if answerer.id == EXTRACTIVE and request.stop is not None:
            raise BadRequestError("stop", f"{EXTRACTIVE} does not end at words", "leave it out")
        found = await self.search(searched, language, PASSAGES_MOST)
        asked = Asked(
            messages,
            question,
            language,
            found,
            request.max_completion_tokens or request.max_tokens,
            request.passed_on(),
            self.proposals is not None,
        )
        checker, wishes, end, stated = Checker.of(found), list[Mapping[str, Any]](), End("stop", 0, 0), False
        async for piece in answerer.answer(asked):
            if isinstance(piece, Text):
                if told := checker.push(piece.text):
                    stated = stated or bool(told.strip())
                    yield Delta(told)
            elif isinstance(piece, Wish):
                wishes.append(piece.action)
            else:
                end = piece
        if told := checker.rest():
            stated = True
            yield Delta(told)
        nothing = answerer.id == EXTRACTIVE and not checker.cited
        notes = [] if nothing or not stated else self._cautions(checker, language)
        proposals: list[dict[str, Any]] = []
        for wish in wishes:
            note = await self._propose(wish, answerer.id, passages_of(found), caller, language, proposals)
            notes.append(note)
        for note in notes:
            yield Delta(f"\n\n{note}" if stated else note)
            stated = True
        grounded = None if nothing or not (stated and (checker.cited or not wishes)) else bool(checker.cited)
        if checker.invented:
            grounded = False
        yield Done(
            end.reason,
            end.prompt_tokens,
            end.completion_tokens,
            documents(checker.cited, found),
            proposals,
            grounded,
            passages_of(found),
        )

    def _cautions(self, checker: Checker, language: str) -> list[str]:
        phrases, notes = PHRASES[language], []
        if checker.invented:
            notes.append(phrases["invented"] + ", ".join(map(str, checker.invented)))
        if not checker.cited:
            notes.append(phrases["unsupported"])
        return notes

    async def _propose(
        self,
        wish: Mapping[str, Any],
        model: str,
        passages: tuple[str, ...],
        caller: str,
        language: str,
        proposals: list[dict[str, Any]],
    ) -> str:
        """Keep a wish as a proposal, and return how the answer tells it."""
        phrases = PHRASES[language]
        if self.proposals is None:
            return phrases["closed"]
        try:
            action: Action = parse_action(dict(wish))
        except BadRequestError as error:
            return f"{phrases['refused']}{error.where}: {error.what}"
        reason = "asked for in a conversation"
        origin = Origin(model, self.index.digest, passages, caller)
        made = await asyncio.to_thread(self.proposals.propose, action, reason, origin)
        proposals.append({"id": made.id, "action": dict(made.action), "state": made.state})
        values = {key: value for key, value in made.action.items() if key != "action"}
        told = ", ".join(f"{key} {value}" for key, value in values.items())
        return f"{phrases['proposed']}: {made.action['action']} ({told}), {made.id}."


def question_of(messages: Sequence[Mapping[str, str]]) -> tuple[str, str, str]:
    """Return the last question, what is searched for it, and its language.

    A short one ("and how long?") is searched with the question before it. Raises BadRequestError where there is none.
    """
    asked = [one["content"] for one in messages if one["role"] == "user" and one["content"].strip()]
    if not asked or messages[-1]["role"] != "user":
        raise BadRequestError("messages", "the last message asks nothing", "end with a message of the user")
    before = asked[-2] if len(asked) > 1 else ""
    language = language_of(asked[-1], language_of(before) if before else "en")
    if before and len(set(stems(asked[-1], language))) < STEMS_FEW:
        return asked[-1], f"{before} {asked[-1]}", language
    return asked[-1], asked[-1], language
