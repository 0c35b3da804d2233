"""How good the search is: the right passage among the first answers, its rank, and whether nothing is told of nothing.

A question names the passages that answer it; one that names none should find none. Every other question chooses the
weights, the rest judges.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from language_assistant.index import Index, Weighing
from language_assistant.words import LANGUAGES
from model_server.errors import ServiceError
from model_training.figures import figure, mean_of

Numbers = NDArray[np.float64]
AMONG = (1, 3, 5)
SHARES = tuple(round(0.1 * i, 1) for i in range(11))  # of meaning, that are tried
KEPT = 0.95  # of the questions that have an answer must find a passage, when the least score is chosen
NAMES = {"en": {"en": "English", "fr": "anglais"}, "fr": {"en": "French", "fr": "français"}}


@dataclass(frozen=True)
class Question:
    """A question of the administration's own, and the passages that answer it; none where the texts hold nothing."""

    language: str
    question: str
    passages: tuple[str, ...]


@dataclass(frozen=True)
class Ranked:
    """What came of a question: the rank of the first right passage (0 for none in its language), the best score."""

    asked: Question
    rank: int
    best: float


def read_questions(path: Path, index: Index) -> list[Question]:
    """Return the questions of a file `{"questions": [...]}`. Raises ServiceError that names the question in fault."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))["questions"]
        questions = [Question(one["language"], one["question"], tuple(one["passages"])) for one in given]
    except OSError as error:
        raise ServiceError(str(path), error.strerror or str(error), "check the path") from None
    except (ValueError, KeyError, TypeError) as error:
        remedy = 'write {"questions": [{"language": "en", "question": "...", "passages": ["TEXT#SECTION"]}]}'
        raise ServiceError(str(path), f"no questions ({error!r})", remedy) from None
    known = {one.id for one in index.passages}
    for place, one in enumerate(questions):
        if one.language not in LANGUAGES:
            raise ServiceError(f"{path}: questions[{place}]", f"no language {one.language!r}", "write en or fr")
        missing = [passage for passage in one.passages if passage not in known]
        if missing:
            raise ServiceError(f"{path}: questions[{place}]", f"no passage {missing[0]!r}", "correct its address")
    return questions


def rank(index: Index, questions: Sequence[Question], vectors: Any, language: str, meaning: float) -> list[Ranked]:
    """Return what comes of a language's questions where meaning has a share of the score."""
    found = []
    for one, vector in zip(questions, vectors, strict=True):
        if one.language != language:
            continue
        words, cosine = index.scores(one.question, vector, language)
        total = (1 - meaning) * words + meaning * cosine
        total[index.languages != language] = -1.0
        order = [index.passages[i].id for i in np.argsort(-total, kind="stable")]
        ranks = [order.index(passage) + 1 for passage in one.passages]
        found.append(Ranked(one, min(ranks, default=0), float(total.max())))
    return found


def reciprocal(ranked: Sequence[Ranked]) -> Numbers:
    """Return one over the rank of each question that has an answer."""
    return np.array([1 / one.rank for one in ranked if one.rank])


def choose(index: Index, questions: Sequence[Question], vectors: Any, language: str) -> Weighing:
    """Return the weighing with the best mean reciprocal rank, and the score that nearly all answers reach."""
    tried = {share: rank(index, questions, vectors, language, share) for share in SHARES}
    best = max(SHARES, key=lambda share: (round(float(reciprocal(tried[share]).mean()), 6), -share))
    scores = [one.best for one in tried[best] if one.rank]
    return Weighing(best, round(float(np.quantile(scores, 1 - KEPT)), 3))


def results(index: Index, questions: Sequence[Question], vectors: Any, seed: int) -> list[dict[str, Any]]:
    """Return the figures of the questions that judge, language by language."""
    found: list[dict[str, Any]] = []
    for language in LANGUAGES:
        name, weighing = NAMES[language], index.weighing[language]
        ranked = rank(index, questions, vectors, language, weighing.meaning)
        answered = [one for one in ranked if one.rank]
        nothing = [one for one in ranked if not one.rank]
        if not answered:
            continue
        for among in AMONG:
            hits = np.array([float(one.rank <= among) for one in answered])
            label = {
                "en": f"{name['en']}: right passage among {among}",
                "fr": f"{name['fr']} : bon passage parmi {among}",
            }
            found.append(_figure(label, hits, seed))
        ways = {
            "words and meaning": ("mots et sens", reciprocal(ranked)),
            "words alone": ("mots seuls", reciprocal(rank(index, questions, vectors, language, 0.0))),
            "meaning alone": ("sens seul", reciprocal(rank(index, questions, vectors, language, 1.0))),
        }
        for english, (french, values) in ways.items():
            label = {
                "en": f"{name['en']}: mean reciprocal rank, {english}",
                "fr": f"{name['fr']} : rang réciproque moyen, {french}",
            }
            found.append(_figure(label, values, seed))
        label = {
            "en": f"{name['en']}: questions with an answer that are told none",
            "fr": f"{name['fr']} : questions ayant une réponse et restées sans réponse",
        }
        found.append(_figure(label, np.array([float(one.best < weighing.least) for one in answered]), seed))
        label = {
            "en": f"{name['en']}: questions beside the texts that are told none",
            "fr": f"{name['fr']} : questions hors des textes restées sans réponse",
        }
        found.append(_figure(label, np.array([float(one.best < weighing.least) for one in nothing]), seed))
    return found


def _figure(label: dict[str, str], values: Numbers, seed: int) -> dict[str, Any]:
    return {**figure(label["en"], mean_of(values), len(values), seed), "label": label}
