"""What a description is compared by: words, pieces of words, and meaning."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
PIECES = (3, 4, 5)
SATURATION, LENGTH_WEIGHT = 1.2, 0.6  # of BM25, as usual
WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """Return the words of a text, plural endings off, accents off.

    >>> words("Café, roasted; beans")
    ['cafe', 'roasted', 'bean']
    """
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in WORD.findall(plain)]


def pieces(text: str) -> list[str]:
    """Return the runs of three to five letters of each word, its ends marked.

    >>> pieces("tea")
    ['<te', 'tea', 'ea>', '<tea', 'tea>', '<tea>']
    """
    found = []
    for word in words(text):
        marked = f"<{word}>"
        found += [marked[i : i + size] for size in PIECES for i in range(len(marked) - size + 1)]
    return found


@dataclass(frozen=True)
class Index:
    """An inverted index with BM25 weights: of each term the documents that have it and what it adds to each."""

    terms: Mapping[str, int]
    starts: NDArray[np.int32]
    documents: NDArray[np.int32]
    weights: NDArray[np.float16]
    size: int

    @classmethod
    def of(cls, texts: Sequence[str], cut: Callable[[str], list[str]]) -> Index:
        """Return the index of `texts`, cut into terms by `cut`."""
        counted = [Counter(cut(text)) for text in texts]
        lengths = [sum(one.values()) for one in counted]
        usual = sum(lengths) / len(lengths)
        lists: dict[str, list[tuple[int, float]]] = {}
        for i, (one, length) in enumerate(zip(counted, lengths, strict=True)):
            damping = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length / usual)
            for term, count in one.items():
                lists.setdefault(term, []).append((i, count * (SATURATION + 1) / (count + damping)))
        names = sorted(lists)
        starts = np.zeros(len(names) + 1, dtype=np.int32)
        documents, weights = [], []
        for place, name in enumerate(names):
            rarity = math.log(1 + (len(texts) - len(lists[name]) + 0.5) / (len(lists[name]) + 0.5))
            documents += [i for i, _ in lists[name]]
            weights += [weight * rarity for _, weight in lists[name]]
            starts[place + 1] = len(documents)
        return cls(
            {name: place for place, name in enumerate(names)},
            starts,
            np.array(documents, dtype=np.int32),
            np.array(weights, dtype=np.float16),
            len(texts),
        )

    def scores(self, terms: Sequence[str]) -> Numbers:
        """Return what each document has of the terms, the best being 1; all 0 where none has any."""
        total = np.zeros(self.size, dtype=np.float32)
        for term in sorted(set(terms)):
            place = self.terms.get(term)
            if place is not None:
                here = slice(self.starts[place], self.starts[place + 1])
                total[self.documents[here]] += self.weights[here]
        most = total.max()
        return total / most if most > 0 else total

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the index as arrays, for a file of arrays."""
        return {
            f"{name}.terms": np.array("\n".join(self.terms).encode()),
            f"{name}.starts": self.starts,
            f"{name}.documents": self.documents,
            f"{name}.weights": self.weights,
            f"{name}.size": np.array(self.size),
        }

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, NDArray[Any]]) -> Index:
        """Return the index of `arrays`."""
        terms = bytes(arrays[f"{name}.terms"].item()).decode().split("\n")
        return cls(
            {term: place for place, term in enumerate(terms)},
            arrays[f"{name}.starts"],
            arrays[f"{name}.documents"],
            arrays[f"{name}.weights"],
            int(arrays[f"{name}.size"]),
        )
