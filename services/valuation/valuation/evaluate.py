"""How well undervaluation is found: planted in declarations, and against the published labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_training.figures import area_under_roc, figure, mean_of
from valuation.features import Declared, Numbers
from valuation.peers import Peers, deviations, fit

PLANTED_SHARE = 0.05
FACTORS = (0.2, 0.35, 0.5, 0.7)  # declared as this part of the true price
INSPECTED_SHARE = 0.05
PRICE_NOISE = 0.4  # standard deviation of the logarithm: two of three prices within a factor of 1.5


def plant(declared: Declared, factor: float, seed: int) -> tuple[Declared, NDArray[np.int8]]:
    """Return the declarations with every twentieth declared at `factor` of its price, and which they are."""
    generator = np.random.default_rng(seed)
    planted = (generator.random(len(declared)) < PLANTED_SHARE).astype(np.int8)
    price = np.where(planted == 1, declared.item_price * factor, declared.item_price)
    changed = Declared(declared.name, declared.hs6, declared.origin, declared.net_mass, price, declared.fraud)
    return changed, planted


def loosened(declared: Declared, seed: int) -> Declared:
    """Return the declarations with prices that vary as real ones do: each times a number of its own around one."""
    noise = np.exp(np.random.default_rng(seed).normal(0.0, PRICE_NOISE, len(declared)))
    price = declared.item_price * noise
    return Declared(declared.name, declared.hs6, declared.origin, declared.net_mass, price, declared.fraud)


def mean_of_goods(train: Declared, judged: Declared) -> Numbers:
    """Return what a plain rule would give: the declared value a kilogram over the mean of the same goods."""
    sums: dict[str, list[float]] = {}
    for hs6, mass, price in zip(train.hs6, train.net_mass.tolist(), train.item_price.tolist(), strict=True):
        one = sums.setdefault(hs6, [0.0, 0.0])
        one[0] += price / mass
        one[1] += 1
    every = sum(total for total, _ in sums.values()) / sum(count for _, count in sums.values())
    means = {hs6: total / count for hs6, (total, count) in sums.items()}
    values = (judged.item_price / judged.net_mass).tolist()
    return np.array([value / means.get(hs6, every) for hs6, value in zip(judged.hs6, values, strict=True)])


def planted_area(peers: Peers, declared: Declared, factor: float, seed: int) -> float:
    """Return the area under the ROC curve for planted undervaluation."""
    changed, planted = plant(declared, factor, seed)
    return area_under_roc(-deviations(peers, changed), planted) or 0.0


def results(peers: Peers, train: Declared, valid: Declared, seed: int) -> list[dict[str, Any]]:
    """Return the figures of the card, each with its interval, the plain rule's beside the model's.

    Planted undervaluation is judged on the prices as published, and on prices that vary as real ones do.
    """
    loose_train, loose_valid = loosened(train, seed), loosened(valid, seed + 1)
    loose_peers = fit(loose_train, peers.borrowing, peers.least, bool(peers.slopes[""]))
    found: list[dict[str, Any]] = []
    for prices, model, learnt, judged in (
        ("published prices", peers, train, valid),
        ("varied prices", loose_peers, loose_train, loose_valid),
    ):
        for factor in FACTORS:
            changed, planted = plant(judged, factor, seed)
            ways = {"model": -deviations(model, changed), "plain rule": -mean_of_goods(learnt, changed)}
            for way, scores in ways.items():
                title = f"{prices}, planted at {round(factor * 100)} % of the price"
                found.append(_labelled(f"{title}, AUC, {way}", _area(scores, planted), seed))
                recall = _recall(scores, planted)
                found.append(_labelled(f"{title}, recall at 5 % inspected, {way}", recall, seed))
    scores = -deviations(peers, valid)
    found.append(_labelled("published labels, AUC", _area(scores, valid.fraud), seed))
    found.append(_labelled("published labels, precision at 5 % inspected", _precision(scores, valid.fraud), seed))
    found.append(_labelled("published labels, share of fraud", _mean(valid.fraud), seed))
    return found


FRENCH = (
    ("published prices", "prix publiés"),
    ("varied prices", "prix dispersés"),
    ("planted at", "sous-évaluation introduite à"),
    ("of the price", "du prix"),
    ("recall at 5 % inspected", "rappel pour 5 % de contrôles"),
    ("precision at 5 % inspected", "précision pour 5 % de contrôles"),
    ("published labels", "étiquettes publiées"),
    ("share of fraud", "part de fraude"),
    ("plain rule", "règle simple"),
    ("model", "modèle"),
)

Statistic = tuple[Callable[[NDArray[np.int64]], float | None], int]


def _labelled(name: str, statistic: Statistic, seed: int) -> dict[str, Any]:
    french = name
    for english, other in FRENCH:
        french = french.replace(english, other)
    return {**figure(name, *statistic, seed), "label": {"en": name, "fr": french}}


def _area(scores: Numbers, labels: NDArray[Any]) -> Statistic:
    return lambda rows: area_under_roc(scores[rows], labels[rows]), len(scores)


def _mean(values: NDArray[Any]) -> Statistic:
    return mean_of(values), len(values)


def _inspected(scores: Numbers) -> NDArray[np.int64]:
    return np.argsort(-scores, kind="stable")[: max(1, round(len(scores) * INSPECTED_SHARE))]


def _recall(scores: Numbers, labels: NDArray[Any]) -> Statistic:
    def statistic(rows: NDArray[np.int64]) -> float | None:
        known = labels[rows]
        return float(known[_inspected(scores[rows])].sum() / known.sum()) if known.any() else None

    return statistic, len(scores)


def _precision(scores: Numbers, labels: NDArray[Any]) -> Statistic:
    return lambda rows: float(labels[rows][_inspected(scores[rows])].mean()), len(scores)
