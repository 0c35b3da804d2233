"""Training from local files: it finds the planted fraud, says what it measured, and gives the same bytes twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_server.storage import Folder
from risk_scoring import generate, train
from risk_scoring.dataset import Dataset, read_dataset
from risk_scoring.evaluation import area_under_roc, measure
from risk_scoring.features import FEATURE_NAMES, FEATURES, TUPLE_FIELDS, Encoder, fold_of, without_tuple
from risk_scoring.predictor import Predictor
from risk_scoring.training import CUTS, FOLDS, VARIANTS, assemble, encode_fold, unseen_goods


@pytest.fixture(scope="module")
def card(model: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((model / "card.json").read_text())
    return loaded


def test_the_same_data_and_seeds_give_the_same_model(data: Path, model: Path, tmp_path: Path) -> None:
    assert train.run(["--data", str(data), "--output", str(tmp_path), "--local", "--seeds", "1"]) == 0
    for name in ("model.txt", "features.json"):
        assert (tmp_path / name).read_bytes() == (model / name).read_bytes()


def test_another_seed_gives_another_model(data: Path, model: Path, tmp_path: Path) -> None:
    assert train.run(["--data", str(data), "--output", str(tmp_path), "--local", "--seeds", "5"]) == 0
    assert (tmp_path / "model.txt").read_bytes() != (model / "model.txt").read_bytes()


def test_planted_fraud_is_found(card: dict[str, Any]) -> None:
    share = card["data"]["valid"]["fraud_share"]
    least, _ = card["results_on_valid"]["full"]["range"]["precision_at_5_percent"]
    assert share < 0.25
    assert least > 3 * share


def test_the_figures_of_the_card_are_those_of_the_served_model(
    card: dict[str, Any], predictor: Predictor, declarations: Dataset
) -> None:
    scores = np.array(predictor.predict(declarations.rows, reasons=0).scores)
    assert card["results_on_valid"]["full"]["seeds"]["1"] == measure(scores, declarations.labels)


def test_the_card_shows_the_result_three_ways_with_the_caution(card: dict[str, Any]) -> None:
    assert set(card["results_on_valid"]) == {"published-protocol", "full", "without-tuple", "unseen-tuple"}
    assert all(found["seeds"]["1"]["rows"] for found in card["results_on_valid"].values())
    assert "None of them promises a rate on real declarations" in card["caution"]
    unseen = card["data"]["valid"]["rows_with_unseen_tuple"]
    assert card["results_on_valid"]["unseen-tuple"]["seeds"]["1"]["rows"] == unseen


def test_the_card_tells_where_each_task_ran(card: dict[str, Any]) -> None:
    tasks = card["training"]["tasks"]
    assert len(tasks) == FOLDS + len(CUTS) + len(VARIANTS) * len(card["training"]["seeds"])
    assert {task["node"] for task in tasks} == set(card["training"]["nodes"])


def test_lanes_hold_the_capacity_and_rise_with_the_score(predictor: Predictor, declarations: Dataset) -> None:
    predictions = predictor.predict(declarations.rows, reasons=0)
    rank = {"green": 0, "yellow": 1, "red": 2}
    order = np.argsort(predictions.scores, kind="stable")
    lanes = [rank[predictions.lanes[i]] for i in order]
    assert lanes == sorted(lanes)
    assert abs(lanes.count(2) / len(lanes) - 0.05) < 0.005
    assert abs(lanes.count(1) / len(lanes) - 0.05) < 0.005


def test_contributions_and_reasons_are_those_of_the_score(predictor: Predictor, declarations: Dataset) -> None:
    predictions = predictor.predict(declarations.rows[:20], reasons=len(FEATURES))
    raw = predictor.booster.predict(predictor.encoder.encode(declarations.rows[:20]), raw_score=True)
    bias = {
        round(float(r) - sum(x["contribution"] for x in why), 9)
        for r, why in zip(raw, predictions.reasons, strict=True)
    }
    assert len(bias) == 1  # what is left over is the same for every declaration
    assert all(
        [abs(x["contribution"]) for x in why] == sorted((abs(x["contribution"]) for x in why), reverse=True)
        for why in predictions.reasons
    )


def test_no_row_is_encoded_by_its_own_label(data: Path) -> None:
    known = read_dataset(Folder(data), "train.csv")
    rows, labels = known.rows[:500], known.labels[:500]
    folds = fold_of(500, FOLDS, 1)
    before = assemble(folds, [encode_fold(rows, labels, folds, fold) for fold in range(FOLDS)])
    flipped = labels.copy()
    flipped[123] = 1 - flipped[123]
    after = assemble(folds, [encode_fold(rows, flipped, folds, fold) for fold in range(FOLDS)])
    assert np.array_equal(before[123], after[123])
    assert not np.array_equal(before, after)


def test_an_encoder_survives_its_document(data: Path) -> None:
    known = read_dataset(Folder(data), "train.csv")
    encoder = Encoder.fit(known.rows[:300], known.labels[:300])
    again = Encoder.from_document(json.loads(json.dumps(encoder.to_document())))
    assert np.array_equal(encoder.encode(known.rows[:400]), again.encode(known.rows[:400]))


def test_without_the_tuple_no_feature_knows_it() -> None:
    left = [FEATURES[i] for i in without_tuple()]
    assert 0 < len(left) < len(FEATURE_NAMES)
    assert all(not TUPLE_FIELDS & set(feature.fields) for feature in left)
    assert all("hs" not in feature.name and "goods" not in feature.name for feature in left)


def test_unseen_goods_are_those_whose_tuple_is_new(declarations: Dataset) -> None:
    first = declarations.rows[0]
    changed = {**first, "tax_type": "NEW"}
    assert unseen_goods([first], [first, changed]).tolist() == [False, True]


def test_area_under_roc_counts_pairs_in_order() -> None:
    scores, labels = np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1], dtype=np.int8)
    assert area_under_roc(scores, labels) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert area_under_roc(scores, np.zeros(4, dtype=np.int8)) is None


def test_generated_files_depend_on_the_seed_alone() -> None:
    assert generate.generate(300, 1) == generate.generate(300, 1)
    assert generate.generate(300, 1) != generate.generate(300, 2)


@pytest.mark.parametrize(
    ("name", "find", "put", "says"),
    [
        ("column-missing", "Net Mass", "Mass", "train.csv:1: no column 'Net Mass'"),
        ("label-missing", ",0,0\n", ",,0\n", "no label"),
        ("no-fraud", ",1,1\n", ",0,0\n", "no fraud"),
    ],
)
def test_data_in_fault_are_told_by_file_and_remedy(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, find: str, put: str, says: str
) -> None:
    text = (
        (data / "train.csv")
        .read_text()
        .replace(find, put)
        .replace(",1,2\n", ",0,0\n" if name == "no-fraud" else ",1,2\n")
    )
    (tmp_path / "train.csv").write_text(text)
    os.link(data / "valid.csv", tmp_path / "valid.csv")
    assert train.run(["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--local"]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_training_without_ray_or_local_names_the_remedy(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("lightgbm")
    try:
        import ray  # noqa: F401
    except ImportError:
        assert train.run(["--data", str(data), "--output", str(tmp_path / "out")]) == 2
        assert "--local" in capsys.readouterr().err
    else:
        pytest.skip("Ray is installed here")
