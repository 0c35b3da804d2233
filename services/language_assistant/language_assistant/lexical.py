"""BM25 over the stems of passages, one index a language.

Forty lines on NumPy: the packages that do it bring SciPy, or score every passage in a Python loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from language_assistant.words import LANGUAGES, stems

# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009): k1 1.2 to 2, b 0.5 to 0.8.
K1 = 1.2
B = 0.75
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Lexical:
    """Where each stem stands, by language and stem: the passages, and the weight that it has in each."""

    count: int
    postings: dict[tuple[str, str], tuple[NDArray[np.int64], Numbers]]
    weights: dict[tuple[str, str], float]
    unknown: dict[str, float]  # the weight of a word that no passage of the language has

    def scores(self, text: str, language: str) -> Numbers:
        """Return the BM25 score of each passage; 0 in other languages."""
        total = np.zeros(self.count)
        for stem in sorted(set(stems(text, language))):
            found = self.postings.get((language, stem))
            if found is not None:
                total[found[0]] += found[1]
        return total

    def weight(self, stem: str, language: str) -> float:
        """Return how much a stem tells: its inverse document frequency."""
        return self.weights.get((language, stem), self.unknown.get(language, 0.0))

    def covered(self, question: str, text: str, language: str) -> float:
        """Return which share of what the question's words tell stands in a text, from 0 to 1."""
        asked = set(stems(question, language))
        whole = sum(self.weight(one, language) for one in asked)
        there = asked & set(stems(text, language))
        return sum(self.weight(one, language) for one in sorted(there)) / whole if whole else 0.0


def build(texts: Sequence[str], languages: Sequence[str]) -> Lexical:
    """Return the index of passages."""
    counts = [Counter(stems(text, language)) for text, language in zip(texts, languages, strict=True)]
    lengths = np.array([sum(one.values()) for one in counts], dtype=float)
    postings: dict[tuple[str, str], tuple[NDArray[np.int64], Numbers]] = {}
    weights: dict[tuple[str, str], float] = {}
    unknown: dict[str, float] = {}
    for language in LANGUAGES:
        rows = [i for i, one in enumerate(languages) if one == language]
        if not rows:
            continue
        mean = float(lengths[rows].mean()) or 1.0
        where: dict[str, list[int]] = {}
        for i in rows:
            for stem in counts[i]:
                where.setdefault(stem, []).append(i)
        unknown[language] = float(np.log(1 + (len(rows) + 0.5) / 0.5))
        for stem, places in where.items():
            weight = float(np.log(1 + (len(rows) - len(places) + 0.5) / (len(places) + 0.5)))
            at = np.array(places, dtype=np.int64)
            times = np.array([counts[i][stem] for i in places], dtype=float)
            norm = K1 * (1 - B + B * lengths[at] / mean)
            postings[language, stem] = (at, weight * times * (K1 + 1) / (times + norm))
            weights[language, stem] = weight
    return Lexical(len(texts), postings, weights, unknown)
