"""Descriptions get subheadings, the likeliest first, with confidences that are worth what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hs_classification import embed, train
from hs_classification.classifier import Classifier, learn_calibration
from hs_classification.descriptions import describe
from hs_classification.features import Index, words
from hs_classification.nomenclature import read_goods, read_nomenclature
from hs_classification.served import TOP_MOST, HsModel
from model_server.errors import BadRecordError, BadRequestError, ServiceError
from model_server.sealed import SealedModel


def first(model: HsModel, description: str) -> str:
    return str(model.answer([model.read({"description": description}, "instances[0]")], 3)[0]["hs6_code"])


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ("unroasted coffee", "090111"),
        ("SMARTPHONE 128GB DUAL SIM", "851713"),
        ("men's t-shirts, 100% cotton", "610910"),
        ("portable computer 14 inch", "847130"),
        ("lithium ion battry cells", "850760"),
    ],
)
def test_goods_are_found_by_words_by_spelling_and_by_meaning(hs_model: HsModel, description: str, code: str) -> None:
    assert first(hs_model, description) == code


def test_as_many_candidates_as_asked_for_the_likeliest_first(hs_model: HsModel) -> None:
    answer = hs_model.answer(["tea"], 5)[0]
    confidences = [one["confidence"] for one in answer["candidates"]]
    assert len(confidences) == 5
    assert confidences == sorted(confidences, reverse=True)
    assert answer["confidence"] == confidences[0]
    assert all(0 < one < 1 for one in confidences)


def test_an_answer_does_not_depend_on_what_it_is_asked_with(hs_model: HsModel) -> None:
    alone = hs_model.answer(["leather shoes"], 3)[0]
    among = hs_model.answer(["tea", "leather shoes", "a very long description of something else entirely"], 3)[1]
    assert [one["hs6_code"] for one in alone["candidates"]] == [one["hs6_code"] for one in among["candidates"]]
    assert alone["confidence"] == pytest.approx(among["confidence"], abs=1e-5)


def test_what_says_nothing_is_unsure(hs_model: HsModel) -> None:
    assert hs_model.answer(["as per invoice"], 3)[0]["outcome"] == "unsure"


def test_calibration_brings_shares_to_how_often_they_are_right() -> None:
    generator = np.random.default_rng(1)
    shares = generator.uniform(0.01, 0.99, 4000)
    right = (generator.random(4000) < shares**2).astype(float)  # too sure of itself
    slope, offset = learn_calibration(shares, right)
    told = 1 / (1 + np.exp(-(slope * np.log(shares / (1 - shares)) + offset)))
    assert abs(told.mean() - right.mean()) < 0.01
    high = shares > 0.8
    assert abs(told[high].mean() - right[high].mean()) < 0.03


def test_the_index_finds_rare_words_before_common_ones() -> None:
    index = Index.of(["steel pipe", "steel bar", "steel sheet of zinc"], words)
    assert int(index.scores(words("zinc steel")).argmax()) == 2
    assert not index.scores(words("unknown")).any()


def test_goods_of_an_older_edition_are_left_out(texts: Path) -> None:
    assert "999999" not in {code for _, code in read_goods(read_nomenclature())}


def test_generated_descriptions_are_the_same_twice_and_not_the_text() -> None:
    text = "Household laundry washing machines, automatic"
    assert describe(text, 3) == describe(text, 3)
    assert describe(text, 3) != text


def test_a_training_gives_the_same_digests_twice(texts: Path, model: Path, tmp_path: Path) -> None:
    assert train.main(["--output", str(tmp_path)]) == 0
    ours, again = (json.loads((folder / "card.json").read_text()) for folder in (model, tmp_path))
    assert (ours["model_digest"], ours["evaluation_digest"]) == (again["model_digest"], again["evaluation_digest"])


def test_vectors_made_before_give_the_same_answers(texts: Path, tmp_path: Path, hs_model: HsModel) -> None:
    vectors = tmp_path / "vectors.npz"
    assert embed.main(["--output", str(vectors)]) == 0
    assert train.main(["--output", str(tmp_path / "model"), "--vectors", str(vectors)]) == 0
    again = Classifier.from_bytes((tmp_path / "model" / "classifier.npz").read_bytes())
    assert np.array_equal(again.vectors, hs_model.classifier.vectors)


def test_vectors_of_other_texts_are_refused(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "v.npz", vectors=np.zeros((1, 384)), digest=np.array("other"))
    assert train.main(["--output", str(tmp_path / "m"), "--vectors", str(tmp_path / "v.npz")]) == 2
    assert "of other texts" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_without_the_texts_the_training_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HS_TEXTS_DIR", str(tmp_path))
    assert train.main(["--output", str(tmp_path / "m")]) == 2
    assert "install the pinned version" in capsys.readouterr().err


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_card_says_that_no_declaration_was_learnt_from(model: Path, language: str) -> None:
    page = (model / f"card.{language}.md").read_text()
    assert {"en": "carry no description", "fr": "ne portent aucune désignation"}[language] in page
    assert {"en": "Calibration", "fr": "Score de Brier"}[language] in page


BAD: dict[str, tuple[Any, str]] = {
    "no-object": ("coffee", "no JSON object"),
    "description-missing": ({}, "no text"),
    "description-empty": ({"description": "  "}, "no text"),
    "description-a-number": ({"description": 3}, "no text"),
    "description-too-long": ({"description": "x" * 1001}, "1001 letters"),
    "field-unknown": ({"description": "tea", "hs6_code": "090230"}, "unknown field"),
}


@pytest.mark.parametrize(("record", "what"), BAD.values(), ids=BAD)
def test_a_bad_record_is_refused(hs_model: HsModel, record: Any, what: str) -> None:
    with pytest.raises(BadRecordError, match=what):
        hs_model.read(record, "instances[0]")


@pytest.mark.parametrize("top", [0, TOP_MOST + 1, "3", True, 1.5])
def test_a_bad_number_of_candidates_is_refused(hs_model: HsModel, top: Any) -> None:
    with pytest.raises(BadRequestError, match=r"parameters\.top"):
        hs_model.options({"top": top}, ())


def test_files_of_another_model_are_refused(hs_model: HsModel) -> None:
    with pytest.raises(ServiceError, match="train it again"):
        HsModel(SealedModel({"classifier.npz": b"no arrays"}, {}, "0" * 64), hs_model.encoder)
