"""The index: passages, their words and their meaning, and the search that puts both together.

Words (BM25) and meaning (the text encoder's vectors) each give a score from 0 to 1; their weighed sum ranks. The
encoder has learnt English alone, so each language has a weight of its own, chosen on questions (see `train`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from language_assistant import lexical
from language_assistant.lexical import Lexical
from language_assistant.texts import Passage
from language_assistant.words import LANGUAGES, language_of, stems
from model_server.errors import ServiceError
from model_server.sealed import SealedModel
from text_encoder import WIDTH, Encoder

PASSAGES, VECTORS, SETTINGS = "passages.json", "vectors.npy", "settings.json"
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Weighing:
    """How a language's passages are ranked, and from which score on one is told."""

    meaning: float  # the share of the vectors in the score, from 0 to 1
    least: float  # a first passage below it is as good as none


DEFAULT = {language: Weighing(0.3, 0.3) for language in LANGUAGES}


@dataclass(frozen=True)
class Found:
    """A passage that was found, with its scores."""

    passage: Passage
    score: float
    words: float
    meaning: float


@dataclass(frozen=True)
class Index:
    """What is searched."""

    passages: Sequence[Passage]
    vectors: Vectors
    lexical: Lexical
    weighing: Mapping[str, Weighing]
    digest: str = ""

    @cached_property
    def languages(self) -> NDArray[np.str_]:
        """The language of each passage."""
        return np.array([one.language for one in self.passages])

    def scores(self, question: str, vector: Vectors, language: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return of each passage the share of the question's words that count, and the cosine of the meanings."""
        words = self.lexical.scores(question, language)
        # the score of a passage that would have each word of the question once, at the mean length
        best = sum(self.lexical.weight(stem, language) for stem in sorted(set(stems(question, language))))
        return np.minimum(words / best, 1.0) if best else words, np.maximum(self.vectors @ vector, 0.0)

    def search(self, question: str, vector: Vectors, top: int, language: str | None = None) -> list[Found]:
        """Return the best passages in the question's language, best first, without those below the least score."""
        asked = language or language_of(question)
        words, meaning = self.scores(question, vector, asked)
        weighing = self.weighing[asked]
        total = (1 - weighing.meaning) * words + weighing.meaning * meaning
        total[self.languages != asked] = -1.0
        best = np.argsort(-total, kind="stable")[:top]
        return [
            Found(self.passages[i], round(float(total[i]), 4), round(float(words[i]), 4), round(float(meaning[i]), 4))
            for i in best
            if total[i] >= weighing.least
        ]


def build(passages: Sequence[Passage], encoder: Encoder, weighing: Mapping[str, Weighing] = DEFAULT) -> Index:
    """Return the index of passages; most of the time goes into their vectors."""
    # rounded as they are kept, so that what is judged is what serves
    vectors = encoder.encode([one.searched for one in passages]).astype(np.float16).astype(np.float32)
    return Index(passages, vectors, _lexical(passages), weighing)


def _lexical(passages: Sequence[Passage]) -> Lexical:
    return lexical.build([one.searched for one in passages], [one.language for one in passages])


def to_files(index: Index) -> dict[str, bytes]:
    """Return the files that decide an answer."""
    vectors = io.BytesIO()
    np.save(vectors, index.vectors.astype(np.float16), allow_pickle=False)
    passages = json.dumps([asdict(one) for one in index.passages], ensure_ascii=False, indent=0, sort_keys=True)
    settings = json.dumps({key: asdict(one) for key, one in sorted(index.weighing.items())}, sort_keys=True)
    return {PASSAGES: passages.encode(), VECTORS: vectors.getvalue(), SETTINGS: settings.encode()}


def from_sealed(sealed: SealedModel) -> Index:
    """Return the index of sealed files. Raises ServiceError where they do not belong together."""
    try:
        passages = [Passage(**one) for one in json.loads(sealed.files[PASSAGES])]
        vectors = np.load(io.BytesIO(sealed.files[VECTORS]), allow_pickle=False).astype(np.float32)
        weighing = {key: Weighing(**one) for key, one in json.loads(sealed.files[SETTINGS]).items()}
        if vectors.shape != (len(passages), WIDTH) or set(weighing) != set(LANGUAGES):
            raise ValueError("sizes differ")
    except (KeyError, TypeError, ValueError) as error:
        remedy = "make it again: python -m language_assistant.train"
        raise ServiceError("index", f"its files do not belong together ({error})", remedy) from None
    return Index(passages, vectors, _lexical(passages), weighing, sealed.digest)
