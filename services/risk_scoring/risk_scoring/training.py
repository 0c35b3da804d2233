"""What a training run computes, as functions that a task runs: no input or output of their own.

A run has two waves of tasks. The first encodes each fold by the statistics of the others, and finds on
earlier and later parts of the training year how many trees are enough. The second trains each variant
with each seed and scores the validation declarations with it. The validation file chooses nothing but
the lanes' thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import lightgbm
import numpy as np
from numpy.typing import NDArray

from risk_scoring.calibration import Calibration
from risk_scoring.dataset import Dataset
from risk_scoring.evaluation import Scores, measure, threshold
from risk_scoring.features import FEATURE_NAMES, Encoder, Labels, Matrix, fold_of, goods_key, without_tuple
from risk_scoring.honesty import intervals
from risk_scoring.schema import Row

FOLDS = 5
ROUNDS_MOST = 300
ROUNDS_WITHOUT_GAIN = 30
CUTS = (5 / 6,)  # the shares of the year that are learnt from; the next sixth judges

PARAMETERS: Mapping[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 31,
    # five features on a path at most: so reasons are looked up in small tables (see contributions.py)
    "max_depth": 5,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    # the same data and seed must give the same bytes, on a node with however many cores
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}

CAUTION = (
    "The published set was made by a CTGAN with correlated columns merged, so its label follows the tuple "
    "(HS, departure, origin, tax rate, tax type) far more closely than real fraud does. The result is "
    "therefore shown three ways: with all features; without the tuple's features; and only on declarations "
    "whose tuple was unseen in training. None of them promises a rate on real declarations."
)


@dataclass(frozen=True)
class TrainingData:
    """What the tasks of the first wave share."""

    rows: Sequence[Row]
    labels: Labels
    folds: NDArray[np.int64]
    seed: int


@dataclass(frozen=True)
class FoldTask:
    """Encode the rows of one fold by the statistics of the others."""

    fold: int


@dataclass(frozen=True)
class RoundsTask:
    """Find how many trees are enough, learning from the first `cut` of the year."""

    cut: float


def first_wave() -> list[FoldTask | RoundsTask]:
    """Return the tasks of the first wave, the long ones first."""
    return [*(RoundsTask(cut) for cut in reversed(CUTS)), *(FoldTask(fold) for fold in range(FOLDS))]


@dataclass(frozen=True)
class Enough:
    """How many trees are enough, and the raw scores that so many gave to the later rows that judged them."""

    rounds: int
    raw: Scores
    labels: Labels


def run_first(data: TrainingData, task: FoldTask | RoundsTask) -> Matrix | Enough:
    """Run a task of the first wave: the matrix of its fold's rows, or a number of trees."""
    if isinstance(task, FoldTask):
        return encode_fold(data.rows, data.labels, data.folds, task.fold)
    order = np.argsort(np.array([row["date"] for row in data.rows]), kind="stable")
    learn = round(len(order) * task.cut)
    judge = round(len(order) * (task.cut + 1 / 6))
    return enough_rounds(data, order[:learn], order[learn:judge])


def encode_fold(rows: Sequence[Row], labels: Labels, folds: NDArray[np.int64], fold: int) -> Matrix:
    """Return the matrix of the rows of `fold`, encoded by what the rows of the other folds tell."""
    others = np.flatnonzero(folds != fold)
    encoder = Encoder.fit([rows[i] for i in others.tolist()], labels[others])
    return encoder.encode([rows[i] for i in np.flatnonzero(folds == fold).tolist()])


def assemble(folds: NDArray[np.int64], parts: Sequence[Matrix]) -> Matrix:
    """Return the whole matrix from the parts of fold 0, 1, ... in the order of the rows."""
    matrix = np.empty((len(folds), parts[0].shape[1]), dtype=np.float64)
    for fold, part in enumerate(parts):
        matrix[folds == fold] = part
    return matrix


def enough_rounds(data: TrainingData, learn: NDArray[np.int64], judge: NDArray[np.int64]) -> Enough:
    """Return how many trees, learnt on the rows `learn`, did best on the later rows `judge`."""
    rows, labels = [data.rows[i] for i in learn.tolist()], data.labels[learn]
    folds = fold_of(len(rows), FOLDS, data.seed)
    matrix = assemble(folds, [encode_fold(rows, labels, folds, fold) for fold in range(FOLDS)])
    later = Encoder.fit(rows, labels).encode([data.rows[i] for i in judge.tolist()])
    known = lightgbm.Dataset(matrix, labels, feature_name=list(FEATURE_NAMES))
    booster = lightgbm.train(
        {**PARAMETERS, "seed": data.seed},
        known,
        num_boost_round=ROUNDS_MOST,
        valid_sets=[known.create_valid(later, data.labels[judge])],
        callbacks=[lightgbm.early_stopping(ROUNDS_WITHOUT_GAIN, verbose=False)],
    )
    rounds = max(1, booster.best_iteration)
    raw = np.asarray(booster.predict(later, num_iteration=rounds, raw_score=True, num_threads=1))
    return Enough(rounds, raw, data.labels[judge])


def calibrate(found: Sequence[Enough]) -> Calibration:
    """Return the calibration fitted on the part of the year that the model had not learnt from."""
    return Calibration.fit(np.concatenate([one.raw for one in found]), np.concatenate([one.labels for one in found]))


VariantName = Literal["full", "without-tuple", "resampled", "published-protocol"]
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)


@dataclass(frozen=True)
class Matrices:
    """What the tasks of the second wave share."""

    train: Matrix
    labels: Labels
    valid: Matrix
    rounds: int
    calibration: Calibration
    train_codes: Matrix  # the published protocol's features
    valid_codes: Matrix


@dataclass(frozen=True)
class Variant:
    """One model to train, from one seed.

    `resampled` is the full model on declarations drawn anew (with replacement), for the stability index;
    `published-protocol` is LightGBM as it comes, on the published features, with frauds drawn as often as the honest.
    """

    name: VariantName
    seed: int


@dataclass(frozen=True)
class Trained:
    """A trained model as text, and its scores of the validation declarations."""

    booster: str
    valid_scores: Scores


def run_variant(data: Matrices, variant: Variant) -> Trained:
    """Train one variant and score the validation declarations with it."""
    if variant.name == "published-protocol":
        return _published(data, variant.seed)
    columns = without_tuple() if variant.name == "without-tuple" else list(range(len(FEATURE_NAMES)))
    names = [FEATURE_NAMES[i] for i in columns]
    rows = np.arange(len(data.labels))
    if variant.name == "resampled":
        rows = np.random.default_rng(variant.seed).integers(0, len(rows), len(rows))
    booster = lightgbm.train(
        {**PARAMETERS, "seed": variant.seed},
        lightgbm.Dataset(np.ascontiguousarray(data.train[rows][:, columns]), data.labels[rows], feature_name=names),
        num_boost_round=data.rounds,
    )
    raw = booster.predict(np.ascontiguousarray(data.valid[:, columns]), raw_score=True, num_threads=1)
    return Trained(booster.model_to_string(), data.calibration.scores(np.asarray(raw)))


def _published(data: Matrices, seed: int) -> Trained:
    frauds, honest = np.flatnonzero(data.labels == 1), np.flatnonzero(data.labels == 0)
    more = np.random.default_rng(seed).choice(frauds, max(0, len(honest) - len(frauds)))
    rows = np.concatenate([np.arange(len(data.labels)), more])
    plain = {"objective": "binary", "seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1}
    booster = lightgbm.train({**plain, "verbosity": -1}, lightgbm.Dataset(data.train_codes[rows], data.labels[rows]))
    return Trained(booster.model_to_string(), np.asarray(booster.predict(data.valid_codes, num_threads=1)))


def unseen_goods(train: Sequence[Row], valid: Sequence[Row]) -> NDArray[np.bool_]:
    """Return for each row of `valid` whether its tuple (see `TUPLE_FIELDS`) is in no row of `train`."""
    known = {goods_key(row) for row in train}
    return np.array([goods_key(row) not in known for row in valid])


def results(trained: Mapping[Variant, Trained], labels: Labels, unseen: NDArray[np.bool_]) -> dict[str, dict[str, Any]]:
    """Return the figures of each way to look at it, by seed, with least and most over the seeds and an interval."""
    ways: dict[str, dict[str, Any]] = {
        way: {} for way in ("published-protocol", "full", "without-tuple", "unseen-tuple")
    }
    spread: dict[str, Any] = {}
    for variant, model in trained.items():
        if variant.name == "resampled":
            continue
        ways[variant.name][str(variant.seed)] = measure(model.valid_scores, labels)
        spread.setdefault(variant.name, intervals(model.valid_scores, labels, variant.seed))
        if variant.name == "full" and unseen.any():
            ways["unseen-tuple"][str(variant.seed)] = measure(model.valid_scores[unseen], labels[unseen])
            spread.setdefault("unseen-tuple", intervals(model.valid_scores[unseen], labels[unseen], variant.seed))
    return {
        way: {"seeds": seeds, "range": _ranges(list(seeds.values())), "interval_95": spread.get(way, {})}
        for way, seeds in ways.items()
    }


def _ranges(figures: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    names = [name for name in (figures[0] if figures else {}) if name not in ("rows", "frauds")]
    return {
        name: [min(found), max(found)] for name in names if (found := [f[name] for f in figures if f[name] is not None])
    }


def lane_thresholds(scores: Scores, red_share: float, yellow_share: float) -> dict[str, float]:
    """Return the least score of the red and of the yellow lane for these inspection capacities.

    >>> lane_thresholds(np.array([0.1, 0.9, 0.5, 0.3]), 0.25, 0.25)
    {'red': 0.9, 'yellow': 0.5}
    """
    return {"red": threshold(scores, red_share), "yellow": threshold(scores, red_share + yellow_share)}


def data_summary(train: Dataset, valid: Dataset, unseen: NDArray[np.bool_]) -> dict[str, Any]:
    """Return what the card says about the data."""
    return {
        "train": train.summary(),
        "valid": {**valid.summary(), "rows_with_unseen_tuple": int(unseen.sum())},
    }
