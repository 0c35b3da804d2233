"""Declared values are compared with those of their peers, robustly, and the comparison is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_server.errors import BadRecordError, BadRequestError, ServiceError
from model_server.sealed import SealedModel
from model_server.storage import Folder
from valuation import train
from valuation.features import read_declared
from valuation.peers import Peers, fit
from valuation.served import Valuation

COFFEE = {"hs6_code": "090111", "country_of_origin": "BR", "net_mass": 100.0, "item_price": 400.0}


def asked(valuation: Valuation, **changed: Any) -> dict[str, Any]:
    record = valuation.read({**COFFEE, **changed}, "instances[0]")
    return valuation.answer([record], None)[0]


def test_the_usual_price_is_usual(valuation: Valuation) -> None:
    answer = asked(valuation)
    assert answer["outcome"] == "usual"
    told = answer["explanation"]
    assert told["peers"] == "goods and origin"
    assert told["peer_declarations"] == 300
    assert told["usual_value_per_kilogram"] == pytest.approx(4.0, rel=0.05)
    assert told["declared_value_per_kilogram"] == 4.0


def test_a_third_of_the_usual_price_is_very_low_and_says_what_is_at_stake(valuation: Valuation) -> None:
    answer = asked(valuation, item_price=130.0)
    assert answer["outcome"] == "very low"
    assert answer["undervaluation"] >= 0.99
    assert answer["explanation"]["value_at_stake"] == pytest.approx(270, rel=0.1)
    assert answer["explanation"]["share_of_usual"] == pytest.approx(0.325, rel=0.05)


def test_a_price_far_above_is_not_undervalued(valuation: Valuation) -> None:
    assert asked(valuation, item_price=4000.0)["undervaluation"] < 0.01


def test_the_lower_the_price_the_higher_the_score(valuation: Valuation) -> None:
    scores = [asked(valuation, item_price=400.0 * part)["undervaluation"] for part in (2, 1, 0.8, 0.6, 0.4, 0.2)]
    assert scores == sorted(scores)


def test_goods_of_an_unknown_origin_are_compared_with_the_same_goods(valuation: Valuation) -> None:
    assert asked(valuation, country_of_origin="VN")["explanation"]["peers"] == "goods"


def test_unknown_goods_are_compared_with_their_heading(valuation: Valuation) -> None:
    assert asked(valuation, hs6_code="090112")["explanation"]["peers"] == "heading"


@pytest.mark.parametrize("changed", [{"net_mass": 0.0}, {"item_price": 0.0}], ids=["no mass", "no price"])
def test_without_mass_or_price_there_is_no_comparison(valuation: Valuation, changed: dict[str, float]) -> None:
    assert asked(valuation, **changed)["outcome"] == "not comparable"


def test_a_fifth_of_undervalued_peers_hardly_moves_what_is_usual(data: Path) -> None:
    declared = read_declared(Folder(data), "train.csv")
    clean = fit(declared, 2.0, 5).compare("090111", "BR", 100.0, 400.0).usual_value_per_kilogram
    price = np.where(np.arange(len(declared)) % 20 < 4, declared.item_price * 0.1, declared.item_price)
    spoilt = type(declared)(declared.name, declared.hs6, declared.origin, declared.net_mass, price, declared.fraud)
    moved = fit(spoilt, 2.0, 5).compare("090111", "BR", 100.0, 400.0).usual_value_per_kilogram
    assert moved == pytest.approx(clean, rel=0.15)


def test_a_single_declaration_borrows_most_of_what_is_usual_from_its_goods(data: Path) -> None:
    declared = read_declared(Folder(data), "train.csv")
    one = type(declared)(
        declared.name,
        (*declared.hs6, "090111"),
        (*declared.origin, "XX"),
        np.append(declared.net_mass, 10.0),
        np.append(declared.item_price, 10_000.0),
        np.append(declared.fraud, np.int8(0)),
    )
    usual = fit(one, 5.0, 5).compare("090111", "XX", 10.0, 10_000.0).usual_value_per_kilogram
    assert usual < 50


def test_planted_undervaluation_is_found_better_than_by_the_plain_rule(model: Path) -> None:
    figures = {one["name"]: one["value"] for one in json.loads((model / "card.json").read_text())["figures"]}
    ours = figures["published prices, planted at 50 % of the price, AUC, model"]
    assert ours > 0.95
    assert ours > figures["published prices, planted at 50 % of the price, AUC, plain rule"]


def test_a_training_gives_the_same_digests_twice(data: Path, model: Path, tmp_path: Path) -> None:
    assert train.main(["--data", str(data), "--output", str(tmp_path)]) == 0
    first, second = (json.loads((folder / "card.json").read_text()) for folder in (model, tmp_path))
    assert first["model_digest"] == second["model_digest"]
    assert first["evaluation_digest"] == second["evaluation_digest"]


def test_the_model_is_the_same_after_it_was_written_and_read(valuation: Valuation) -> None:
    again = Peers.from_document(json.loads(json.dumps(valuation.peers.to_document())))
    assert again.compare("851712", "CN", 2.0, 90.0) == valuation.peers.compare("851712", "CN", 2.0, 90.0)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_card_tells_the_figures_and_their_worth(model: Path, language: str) -> None:
    page = (model / f"card.{language}.md").read_text()
    assert {"en": "synthetic", "fr": "synthétique"}[language] in page
    assert {"en": "95 % interval", "fr": "intervalle à 95 %"}[language] in page


BAD = {
    "code-as-number": ({"hs6_code": 90111}, "hs6_code"),
    "code-of-four-digits": ({"hs6_code": "0901"}, "hs6_code"),
    "country-in-small-letters": ({"country_of_origin": "br"}, "country_of_origin"),
    "price-as-text": ({"item_price": "400"}, "item_price"),
    "mass-negative": ({"net_mass": -1.0}, "net_mass"),
    "field-unknown": ({"colour": "green"}, "colour"),
}


@pytest.mark.parametrize(("changed", "field"), BAD.values(), ids=BAD)
def test_a_bad_record_is_refused_by_its_field(valuation: Valuation, changed: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRecordError, match=rf"instances\[0\]\.{field}"):
        valuation.read({**COFFEE, **changed}, "instances[0]")


def test_an_unknown_parameter_is_refused(valuation: Valuation) -> None:
    with pytest.raises(BadRequestError, match=r"parameters\.reasons"):
        valuation.options({"reasons": 3}, ("undervaluation",))


def test_files_of_another_model_are_refused() -> None:
    with pytest.raises(ServiceError, match="train it again"):
        Valuation(SealedModel({"peers.json": b"{}"}, {}, "0" * 64))


BAD_FILES = {
    "no-column-item-price": "HS6 Code,Country of Origin,Net Mass,Fraud\n090111,BR,1,0\n",
    "mass-is-no-number": "HS6 Code,Country of Origin,Net Mass,Item Price,Fraud\n090111,BR,heavy,1,0\n",
    "nothing-with-a-mass": "HS6 Code,Country of Origin,Net Mass,Item Price,Fraud\n090111,BR,0,1,0\n",
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_bad_data_end_the_training_with_one_line_and_nothing_written(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train.csv", "valid.csv"):
        (tmp_path / name).write_text(content)
    assert train.main(["--data", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()
