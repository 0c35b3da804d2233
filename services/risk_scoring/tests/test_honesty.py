"""What the card says about its own figures, and how drift is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_server.drift import LEAST_RECORDS, jensen_shannon, kolmogorov_smirnov, psi, verdict
from risk_scoring import train
from risk_scoring.dataset import Dataset
from risk_scoring.drift import compare, reference
from risk_scoring.honesty import calibration_figures, fairness, intervals, label_codes, stability
from risk_scoring.predictor import Predictor


@pytest.fixture(scope="module")
def card(model: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((model / "card.json").read_text())
    return loaded


def test_training_and_evaluation_give_the_same_digests_twice(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = []
    for turn in ("one", "two"):
        assert train.run(["--data", str(data), "--output", str(tmp_path / turn), "--local", "--seeds", "1", "2"]) == 0
        told = json.loads(capsys.readouterr().out)
        digests.append((told["model_digest"], told["evaluation_digest"]))
    assert digests[0] == digests[1]
    for name in ("card.en.md", "card.fr.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_interval_holds_the_figure(card: dict[str, Any]) -> None:
    full = card["results_on_valid"]["full"]
    low, high = full["interval_95"]["precision_at_5_percent"]
    assert low < full["seeds"]["1"]["precision_at_5_percent"] < high


def test_an_interval_narrows_with_more_declarations() -> None:
    generator = np.random.default_rng(1)
    scores = generator.random(8000)
    labels = (generator.random(8000) < scores).astype(np.int8)
    few = intervals(scores[:800], labels[:800], 1)["precision_at_10_percent"]
    many = intervals(scores, labels, 1)["precision_at_10_percent"]
    assert many[1] - many[0] < few[1] - few[0]


def test_a_calibrated_score_has_little_error_and_a_doubled_one_much() -> None:
    generator = np.random.default_rng(2)
    chance = generator.random(20_000) / 2
    labels = (generator.random(20_000) < chance).astype(np.int8)
    assert calibration_figures(chance, labels)["expected_calibration_error"] < 0.02
    assert calibration_figures(2 * chance, labels)["expected_calibration_error"] > 0.2


def test_groups_that_are_treated_unequally_show_it() -> None:
    groups = ["FR"] * 1000 + ["DE"] * 1000 + ["MT"] * 3
    scores = np.array([0.9] * 200 + [0.1] * 800 + [0.9] * 100 + [0.1] * 900 + [0.5] * 3)
    labels = np.zeros(2003, dtype=np.int8)
    labels[[999, 1999]] = 1
    found = fairness(scores, labels, 0.5, groups)
    assert found["ratio_of_inspected_without_cause"] == pytest.approx(0.5, abs=0.001)
    assert found["groups"]["MT"]["verdict"] == "not measured"


def test_stability_is_what_two_choices_share() -> None:
    first, second = np.array([9.0, 8, 1, 2]), np.array([9.0, 1, 8, 2])
    assert stability([first, first], 0.5) == 1
    assert stability([first, second], 0.5) == pytest.approx(1 / 3, abs=1e-4)
    assert stability([first], 0.5) is None


def test_the_published_encoding_numbers_values_by_first_appearance(declarations: Dataset) -> None:
    rows = declarations.rows[:2]
    train_codes, valid_codes = label_codes(rows, [{**rows[0], "hs6_code": "000000"}], ["hs6_code", "net_mass"])
    assert train_codes[0].tolist() == [1, rows[0]["net_mass"]]
    assert valid_codes[0, 0] == len({row["hs6_code"] for row in rows}) + 1


def test_the_same_declarations_do_not_drift_and_other_ones_do(declarations: Dataset, predictor: Predictor) -> None:
    scores = np.array(predictor.predict(declarations.rows, reasons=0).scores)
    known = json.loads(json.dumps(reference(declarations.rows, scores)))
    same = compare(known, declarations.rows, scores)
    assert {one["verdict"] for one in same.values()} == {"steady"}
    assert max(one["psi"] for one in same.values()) < 0.001
    changed = [{**row, "country_of_origin": "ZZ", "net_mass": row["net_mass"] * 1000} for row in declarations.rows]
    moved = compare(known, changed, scores)
    assert moved["country_of_origin"]["verdict"] == moved["net_mass"]["verdict"] == "alarm"
    assert moved["score"]["verdict"] == "steady"


def test_too_few_declarations_are_not_measured(declarations: Dataset) -> None:
    known = reference(declarations.rows, None)
    found = compare(known, declarations.rows[: LEAST_RECORDS - 1], None)
    assert {one["verdict"] for one in found.values()} == {"not measured"}


def test_distances_of_known_shares() -> None:
    before, now = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    assert psi(before, now) == pytest.approx(0.25 * np.log(1.5) + 0.25 * np.log(2))
    assert kolmogorov_smirnov(before, now) == pytest.approx(0.25)
    assert jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(1)
    assert [verdict(x) for x in (0.05, 0.1, 0.25)] == ["steady", "warn", "alarm"]


@pytest.mark.parametrize(("language", "title"), [("en", "# Model card"), ("fr", "# Fiche du modèle")])
def test_the_card_is_written_in_both_languages(model: Path, card: dict[str, Any], language: str, title: str) -> None:
    text = (model / f"card.{language}.md").read_text()
    assert text.startswith(title)
    error = card["evaluation"]["calibration"]["expected_calibration_error"]
    assert (f"{error:.3f}".replace(".", ",") if language == "fr" else f"{error:.3f}") in text
    assert text.count("\n## ") == 9
