"""The model: candidates by words, pieces and meaning; a small choice model that ranks them; a calibrated confidence."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hs_classification.features import Index, Numbers, pieces, words

CANDIDATES = 60  # of each way of comparing
FEATURES = ("words", "pieces", "meaning", "meaning rank", "heading's words", "heading's meaning", "words and meaning")


@dataclass(frozen=True)
class Candidates:
    """The subheadings that may be meant, and how each compares: a row a candidate, a column of `FEATURES`."""

    places: NDArray[np.int64]
    features: NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """Everything that decides an answer but the encoder of texts."""

    codes: tuple[str, ...]
    texts: tuple[str, ...]
    by_word: Index
    by_piece: Index
    vectors: NDArray[np.float16]
    headings: NDArray[np.int32]  # the place of each subheading's heading
    weights: NDArray[np.float64]
    calibration: tuple[float, float]

    def candidates(self, description: str, vector: Numbers) -> Candidates:
        """Return the subheadings that a description may mean."""
        by_word, by_piece = self.by_word.scores(words(description)), self.by_piece.scores(pieces(description))
        meaning = self.vectors.astype(np.float32) @ vector
        both = by_word + by_piece
        chosen = np.union1d(_best(both, CANDIDATES), _best(meaning, CANDIDATES))
        rank = np.empty(len(meaning), dtype=np.int64)
        rank[np.argsort(-meaning, kind="stable")] = np.arange(len(meaning))
        heading_words, heading_meaning = _by_heading(both, self.headings), _by_heading(meaning, self.headings)
        at = self.headings[chosen]
        columns = (
            by_word[chosen],
            by_piece[chosen],
            10 * (meaning[chosen] - meaning.max()),
            -np.log1p(rank[chosen]),
            heading_words[at],
            10 * (heading_meaning[at] - meaning.max()),
            by_word[chosen] * meaning[chosen],
        )
        return Candidates(chosen, np.stack(columns, axis=1).astype(np.float64))

    def shares(self, found: Candidates) -> NDArray[np.float64]:
        """Return how the choice model divides one among the candidates."""
        return softmax(found.features @ self.weights)

    def confidences(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return, of shares, how often a candidate with such a share is the right one."""
        slope, offset = self.calibration
        return _logistic(slope * _logit(shares) + offset)

    def classify(self, description: str, vector: Numbers, top: int) -> list[tuple[str, str, float]]:
        """Return the likeliest subheadings: code, text and confidence, the likeliest first."""
        found = self.candidates(description, vector)
        shares = self.shares(found)
        order = np.argsort(-shares, kind="stable")[:top]
        confidences = self.confidences(shares[order])
        return [
            (self.codes[place], self.texts[place], float(confidence))
            for place, confidence in zip(found.places[order].tolist(), confidences, strict=True)
        ]

    def trained(self, weights: NDArray[np.float64], calibration: tuple[float, float]) -> Classifier:
        """Return the same with a learnt choice and calibration."""
        return replace(self, weights=weights, calibration=calibration)

    def to_bytes(self) -> bytes:
        """Return the model as one file of arrays; equal models give equal bytes."""
        file = io.BytesIO()
        arrays: dict[str, NDArray[Any]] = {
            "codes": np.array("\n".join(self.codes).encode()),
            "texts": np.array("\n".join(text.replace("\n", " ") for text in self.texts).encode()),
            "vectors": self.vectors,
            "headings": self.headings,
            "weights": self.weights,
            "calibration": np.array(self.calibration),
            **self.by_word.arrays("words"),
            **self.by_piece.arrays("pieces"),
        }
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Classifier:
        """Return the model of `to_bytes`. Raises ValueError or KeyError for other bytes."""
        with np.load(io.BytesIO(content), allow_pickle=False) as read:
            arrays = {name: read[name] for name in read.files}
        slope, offset = arrays["calibration"].tolist()
        return cls(
            tuple(bytes(arrays["codes"].item()).decode().split("\n")),
            tuple(bytes(arrays["texts"].item()).decode().split("\n")),
            Index.from_arrays("words", arrays),
            Index.from_arrays("pieces", arrays),
            arrays["vectors"],
            arrays["headings"],
            arrays["weights"],
            (float(slope), float(offset)),
        )


def untrained(codes: Sequence[str], texts: Mapping[str, str], contexts: Sequence[str], vectors: Numbers) -> Classifier:
    """Return a classifier of a nomenclature before anything is learnt: all ways of comparing weigh alike."""
    names = sorted({code[:4] for code in codes})
    place = {name: i for i, name in enumerate(names)}
    return Classifier(
        tuple(codes),
        tuple(texts[code] for code in codes),
        Index.of(contexts, words),
        Index.of(contexts, pieces),
        vectors.astype(np.float16),
        np.array([place[code[:4]] for code in codes], dtype=np.int32),
        np.ones(len(FEATURES)),
        (1.0, 0.0),
    )


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return shares of one in the proportion of the exponentials."""
    raised = np.exp(values - values.max())
    shares: NDArray[np.float64] = raised / raised.sum()
    return shares


def learn_choice(
    cases: Sequence[tuple[Candidates, int]], rounds: int = 300, ridge: float = 1e-3
) -> NDArray[np.float64]:
    """Return the weights under which the right candidates are the likeliest (conditional logit, by descent).

    A case is the candidates of a description and the place among them of the right one; cases without it teach nothing.
    """
    weights = np.zeros(len(FEATURES))
    momentum = np.zeros(len(FEATURES))
    scale = np.sqrt(np.mean([(found.features**2).mean(0) for found, _ in cases], axis=0)) + 1e-9
    for _ in range(rounds):
        gradient = ridge * weights
        for found, right in cases:
            features = found.features / scale
            shares = softmax(features @ weights)
            gradient += (shares @ features - features[right]) / len(cases)
        momentum = 0.9 * momentum + gradient
        weights = weights - 0.3 * momentum
    learnt: NDArray[np.float64] = weights / scale
    return learnt


def learn_calibration(shares: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the logistic that turns shares into confidences (Platt), by Newton's method.

    Held, weakly, to the shares as they are, so that a few cases cannot make it certain.
    """
    x = np.stack([_logit(shares), np.ones(len(shares))], axis=1)
    prior = np.array([1.0, 0.0])
    beta = prior.copy()
    for _ in range(100):
        p = _logistic(x @ beta)
        curvature = x.T @ (x * (p * (1 - p))[:, None]) + np.eye(2)
        step = np.linalg.solve(curvature, x.T @ (right - p) - (beta - prior))
        step *= min(1.0, 0.5 / float(np.abs(step).max() + 1e-12))
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return float(beta[0]), float(beta[1])


def _logit(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(shares, 1e-9, 1 - 1e-9)
    odds: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return odds


def _logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    chances: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return chances


def _best(scores: Numbers, count: int) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")[:count]


def _by_heading(scores: Numbers, headings: NDArray[np.int32]) -> Numbers:
    best = np.full(int(headings.max()) + 1, -np.inf, dtype=np.float32)
    np.maximum.at(best, headings, scores)
    return best
