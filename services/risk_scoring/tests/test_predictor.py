"""The short ways of the predictor give the numbers of the long ones."""

from __future__ import annotations

import math

import lightgbm
import numpy as np
import pytest

from risk_scoring.calibration import Calibration
from risk_scoring.contributions import MOST_ON_A_PATH, Contributions
from risk_scoring.dataset import Dataset
from risk_scoring.features import FEATURES, GROUPS, keys
from risk_scoring.predictor import SINGLY_MOST, Predictor
from risk_scoring.schema import COLUMN_OF_FIELD, Declaration, parse_declaration
from risk_scoring.single_row import SingleRow


def test_a_single_row_scores_as_the_booster_does_to_the_last_bit(predictor: Predictor, declarations: Dataset) -> None:
    matrix = predictor.encoder.encode(declarations.rows[:500])
    single = [predictor.single_row.raw_score(row) for row in matrix]
    assert single == predictor.booster.predict(matrix, raw_score=True).tolist()


def test_a_declaration_scores_the_same_alone_and_in_a_batch(predictor: Predictor, declarations: Dataset) -> None:
    rows = declarations.rows[: 10 * SINGLY_MOST]
    alone = [predictor.predict([row]).scores[0] for row in rows]
    assert predictor.predict(rows).scores == alone


def test_contributions_are_those_of_lightgbm(predictor: Predictor, declarations: Dataset) -> None:
    matrix = predictor.encoder.encode(declarations.rows[:300])
    expected = np.asarray(predictor.booster.predict(matrix, pred_contrib=True))[:, :-1]
    looked_up = np.array([predictor.contributions.of(row.tolist()) for row in matrix])
    assert np.abs(looked_up - expected).max() < 1e-12


@pytest.mark.parametrize("features", [1, 2, MOST_ON_A_PATH])
def test_contributions_of_any_small_model(features: int) -> None:
    generator = np.random.default_rng(features)
    known = generator.integers(-3, 4, size=(2000, features)).astype(float)  # values that lie on thresholds
    labels = (known.sum(axis=1) + generator.normal(size=2000) > 0).astype(int)
    parameters = {"objective": "binary", "max_depth": 6, "num_leaves": 31, "num_threads": 1, "verbosity": -1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(known, labels), 20)
    expected = np.asarray(booster.predict(known[:200], pred_contrib=True))[:, :-1]
    tables = Contributions(booster)
    assert np.abs(np.array([tables.of(row.tolist()) for row in known[:200]]) - expected).max() < 1e-12
    assert [SingleRow(booster).raw_score(row) for row in known[:20]] == booster.predict(
        known[:20], raw_score=True
    ).tolist()


def test_a_model_with_long_paths_is_refused(declarations: Dataset, predictor: Predictor) -> None:
    matrix = predictor.encoder.encode(declarations.rows)
    parameters = {"objective": "binary", "num_leaves": 63, "min_data_in_leaf": 2, "num_threads": 1, "verbosity": -1}
    deep = lightgbm.train(parameters, lightgbm.Dataset(matrix, declarations.labels), 10)
    with pytest.raises(ValueError, match=f"more than {MOST_ON_A_PATH}"):
        Contributions(deep)


def test_one_row_is_encoded_as_many_are(predictor: Predictor, declarations: Dataset) -> None:
    matrix = predictor.encoder.encode(declarations.rows[:50])
    lines = [predictor.encoder.encode_row(row) for row in declarations.rows[:50]]
    assert matrix.tolist() == lines
    for row, line in zip(declarations.rows[:50], lines, strict=True):  # against the definition of a group's past
        for feature, value in zip(FEATURES, line, strict=True):
            if feature.group is not None and feature.name.endswith("_count"):
                past = predictor.encoder.counts[feature.group.name].get(feature.group.key(row), (0, 0))
                assert value == math.log1p(past[0])


def test_calibration_finds_the_odds_that_made_the_labels() -> None:
    generator = np.random.default_rng(3)
    raw = generator.normal(0, 2, 20_000)
    labels = (generator.random(20_000) < 1 / (1 + np.exp(-(0.7 * raw - 0.4)))).astype(np.int8)
    found = Calibration.fit(raw, labels)
    assert found.slope == pytest.approx(0.7, abs=0.03)
    assert found.intercept == pytest.approx(-0.4, abs=0.05)
    assert Calibration.from_document(found.to_document()) == found


def test_calibration_keeps_the_order_and_never_overflows() -> None:
    scores = [Calibration(2.0, 1.0).score(raw) for raw in (-1e6, -50.0, -1.0, 0.0, 1.0, 50.0, 1e6)]
    assert scores == sorted(scores)
    assert scores[0] == 0.0
    assert scores[-1] == 1.0


def test_keys_are_those_of_the_groups_in_their_order(declarations: Dataset) -> None:
    for row in declarations.rows[:100]:
        assert list(keys(row)) == [group.key(row) for group in GROUPS]


def test_a_declaration_is_read_as_the_model_reads_it_by_field_or_column(declarations: Dataset) -> None:
    for row in declarations.rows[:100]:
        expected = Declaration.model_validate(row).__dict__
        columns = {COLUMN_OF_FIELD[name]: value for name, value in row.items()}
        for read in (parse_declaration(row, "it"), parse_declaration(columns, "it")):
            assert list(read.items()) == list(expected.items())


def test_what_a_declaration_leaves_out_is_empty_and_whole_numbers_are_taken(declarations: Dataset) -> None:
    row = {**declarations.rows[0], "net_mass": 7}
    for name in ("declaration_id", "date", "seller_id", "courier_id"):
        del row[name]
    read = parse_declaration(row, "it")
    assert read == Declaration.model_validate(row).__dict__
    assert read["seller_id"] == ""
    assert type(read["net_mass"]) is float
