"""Answers without a language model: the sentences of the passages that have most of the question in them.

Acts are wished for by fixed sentences alone ("set declaration D-1 to red"): nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

from language_assistant.answers import PHRASES, Asked, End, Piece, Text, Wish
from language_assistant.index import Found
from language_assistant.lexical import Lexical
from language_assistant.words import plain, sentences

ID = "portolan-extractive"
PASSAGES_MOST = 3
SENTENCES_MOST = 2  # of a passage
NEAR = 0.75  # a further passage is told where its score is at least so much of the first's
_ID = r"(?P<id>[a-z0-9][a-z0-9./_-]{0,62}[a-z0-9])"
_LANES = {"green": "green", "vert": "green", "yellow": "yellow", "jaune": "yellow", "red": "red", "rouge": "red"}
_PAPERS = {
    "invoice": "invoice",
    "facture": "invoice",
    "certificate of origin": "certificate_of_origin",
    "certificat d'origine": "certificate_of_origin",
    "packing list": "packing_list",
    "liste de colisage": "packing_list",
    "transport document": "transport_document",
    "document de transport": "transport_document",
    "licence": "licence",
}
_LANE = re.compile(
    rf"(?:set|put|send|move)\s+(?:the\s+)?(?:lane\s+of\s+)?(?:the\s+)?declaration\s+{_ID}\s+(?:to|in|on)\s+(?:the\s+)?"
    rf"(?P<en>green|yellow|red)"
    rf"|(?:met[sz]?|mettre|mettez|passe[rz]?)\s+la\s+declaration\s+{_ID.replace('<id>', '<fid>')}\s+"
    rf"(?:en|au|dans\s+le)\s+(?:circuit\s+)?(?P<fr>vert|jaune|rouge)"
)
_DOCUMENT = re.compile(
    rf"(?:request|ask\s+for)\s+(?:the\s+|an?\s+)?(?P<en>{'|'.join(_PAPERS)})\s+(?:for|of)\s+(?:the\s+)?"
    rf"declaration\s+{_ID}"
    rf"|demande[rz]?\s+(?:la\s+|le\s+|une?\s+)?(?P<fr>{'|'.join(_PAPERS)})\s+(?:pour|de)\s+la\s+declaration\s+"
    rf"{_ID.replace('<id>', '<fid>')}"
)
_INSPECTION = re.compile(
    rf"(?:inspect|scan)\s+(?:the\s+goods\s+of\s+)?(?:the\s+)?declaration\s+{_ID}"
    rf"|(?:visite[rz]?|scanne[rz]?)\s+(?:les\s+marchandises\s+de\s+)?la\s+declaration\s+{_ID.replace('<id>', '<fid>')}"
)


class Extractive:
    """Takes sentences out of passages, in their order."""

    id = ID

    def __init__(self, lexical: Lexical) -> None:
        self._lexical = lexical

    async def answer(self, asked: Asked) -> AsyncIterator[Piece]:
        """Yield the answer sentence by sentence."""
        phrases, told, limit = PHRASES[asked.language], 0, asked.tokens_most
        prompt = sum(len(one["content"].split()) for one in asked.messages)
        wish = wished(asked.question)
        lines: list[str] = []
        if wish is None:
            chosen = choose(asked.question, asked.found, self._lexical, asked.language)
            lines = [f"{text} [{number}]" for number, text in chosen]
            lines = [phrases["extractive"], *lines] if lines else [phrases["nothing"]]
        for place, line in enumerate(lines):
            words = line.split()
            if limit is not None and told + len(words) > limit:
                cut = " ".join(words[: limit - told])
                yield Text(("\n\n" if place and cut else "") + cut)
                yield End("length", prompt, limit)
                return
            told += len(words)
            yield Text(("\n\n" if place else "") + line)
        if wish is not None:
            yield Wish(wish)
        yield End("stop", prompt, told)


def choose(question: str, found: Sequence[Found], lexical: Lexical, language: str) -> list[tuple[int, str]]:
    """Return the sentences of an answer, each with the number of its passage, in the passages' order."""
    chosen = []
    for number, one in enumerate(found[:PASSAGES_MOST], 1):
        if number > 1 and one.score < NEAR * found[0].score:
            break
        texts = sentences(one.passage.text)
        value = [lexical.covered(question, text, language) for text in texts]
        best = sorted(range(len(texts)), key=lambda i: (-value[i], i))[:SENTENCES_MOST]
        told = [i for i in sorted(best) if value[i] > 0 or value[best[0]] == 0]
        chosen += [(number, texts[i]) for i in told]
    return chosen


def wished(question: str) -> dict[str, Any] | None:
    """Return the act that a question asks for in one of the fixed sentences, or None.

    >>> wished("Please set declaration D-17 to red.")
    {'action': 'set_lane', 'declaration_id': 'D-17', 'lane': 'red'}
    """
    easy = " ".join(plain(question).split())
    original = " ".join(question.split())
    for pattern in (_LANE, _DOCUMENT, _INSPECTION):
        match = pattern.search(easy)
        if match is None:
            continue
        name = match["id"] or match["fid"]
        # the identity as it was written, where taking accents off left all letters in their places
        place = match.start("id") if match["id"] else match.start("fid")
        said = original[place : place + len(name)] if len(original) == len(easy) else name
        if pattern is _LANE:
            return {"action": "set_lane", "declaration_id": said, "lane": _LANES[match["en"] or match["fr"]]}
        if pattern is _DOCUMENT:
            paper = _PAPERS[match["en"] or match["fr"]]
            return {"action": "request_document", "declaration_id": said, "document": paper}
        extent = "scan" if re.match(r"scan", match[0]) else "physical"
        return {"action": "request_inspection", "declaration_id": said, "extent": extent}
    return None
