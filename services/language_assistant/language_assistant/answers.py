"""What is asked of whatever answers, and what it gives: pieces of text, and acts that it proposes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from language_assistant.index import Found


@dataclass(frozen=True)
class Asked:
    """A conversation, what was found for its last question, and how the answer shall be made."""

    messages: Sequence[Mapping[str, str]]
    question: str
    language: str
    found: Sequence[Found]
    tokens_most: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # of the request, for a model that knows them
    may_propose: bool = False


@dataclass(frozen=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class Wish:
    """An act that is wished for: its arguments are not checked yet."""

    action: Mapping[str, Any]


@dataclass(frozen=True)
class End:
    """The end of an answer: why, and what it cost (words where there is no language model)."""

    reason: str  # stop or length
    prompt_tokens: int
    completion_tokens: int


Piece = Text | Wish | End


class Answerer(Protocol):
    """What makes answers: sentences of the passages, or a language model elsewhere."""

    id: str

    def answer(self, asked: Asked) -> AsyncIterator[Piece]:
        """Yield an answer's pieces, `End` last. Raises BadRequestError where none can be had."""


PHRASES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "extractive": "From the texts, word for word (no language model wrote this):",
        "nothing": "The texts hold nothing on this, or say it in other words. Nothing was made up instead.",
        "unsupported": "Caution: this answer cites no passage of the texts, so nothing supports it.",
        "invented": "Caution: the answer cited passages that were not given to it; those marks were taken out: ",
        "proposed": "Proposed, and without effect until an officer confirms it",
        "refused": "An act was wished for that cannot be proposed: ",
        "closed": "Acts cannot be proposed here: this server keeps no log of them.",
    },
    "fr": {
        "extractive": "Tiré des textes, mot pour mot (aucun modèle de langage n'a écrit ceci) :",
        "nothing": "Les textes n'en disent rien, ou le disent en d'autres mots. Rien n'a été inventé à la place.",
        "unsupported": "Attention : cette réponse ne cite aucun passage des textes, rien ne l'appuie.",
        "invented": "Attention : la réponse citait des passages qui ne lui ont pas été donnés ; marques retirées : ",
        "proposed": "Proposé, et sans effet tant qu'un agent ne le confirme pas",
        "refused": "Un acte a été demandé qui ne peut être proposé : ",
        "closed": "Aucun acte ne peut être proposé ici : ce serveur n'en tient pas de journal.",
    },
}
