"""`portolan size` and `portolan explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from portolan.cli import application
from portolan.errors import PortolanError
from portolan.sizing.plan import Plan


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(application(), list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_json_is_a_plan_that_reads_back(examples: Path) -> None:
    plan = Plan.model_validate_json(printed("size", str(examples / "sandbox.yaml"), "-o", "json"))
    assert plan.site == "sandbox"


def test_yaml_says_the_same_as_json(examples: Path) -> None:
    path = str(examples / "sandbox.yaml")
    assert YAML(typ="safe").load(printed("size", path, "-o", "yaml")) == json.loads(printed("size", path, "-o", "json"))


def test_the_table_names_what_binds(examples: Path) -> None:
    shown = printed("size", str(examples / "onprem-starter.yaml"))
    for word in ("MEM-9.6.4-02", "risk-training-worker", "32 GB", "1 Gbit/s", "targets to verify"):
        assert word in shown


def test_out_writes_the_plan_beside_what_is_printed(examples: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    shown = printed("size", str(examples / "sandbox.yaml"), "-o", "json", "--out", str(out))
    assert json.loads(out.read_text(encoding="utf-8")) == json.loads(shown)
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]


def test_out_in_a_folder_that_does_not_exist_is_one_error(examples: Path, tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match="cannot write the plan"):
        printed("size", str(examples / "sandbox.yaml"), "--out", str(tmp_path / "none" / "plan.json"))


def test_out_on_a_directory_is_one_error_and_leaves_nothing(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(PortolanError, match="cannot write the plan"):
        printed("size", str(examples / "sandbox.yaml"), "--out", str(tmp_path / "taken"))
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


def test_explain_gives_the_chain_from_the_requirement_to_the_number(examples: Path) -> None:
    item = "services.risk-scoring.replicas"
    chain = json.loads(printed("explain", str(examples / "sandbox.yaml"), item, "-o", "json"))
    assert (chain["item"], chain["value"], chain["binding"]) == (item, 2, "LB-9.5.7-02")
    first, *others = chain["steps"]
    assert first["binds"]
    assert first["expression"] == "k + 1"
    assert "goes on" in first["requirement_text"]
    weighed = {step["formula"] for step in others if not step["depth"]}
    assert weighed == {"declarations.replicas", "availability.k_of_n"}
    assert others[1]["explains"] == "arrivals_per_second"
    assert others[1]["inputs"]["declarations_per_day"] == 2000


def test_explain_shows_people_the_formula_and_its_inputs(examples: Path) -> None:
    shown = printed("explain", str(examples / "sandbox.yaml"), "services.risk-scoring.replicas")
    assert "ErlangC" in shown
    assert "arrivals_per_second = 0.277778" in shown


@pytest.mark.parametrize(
    ("item", "guess"),
    [
        ("services.risk-scoring", r"services\.risk-scoring\.replicas"),
        ("services.risk-scorin.replicas", r"did you mean services\.risk-scoring\.replicas"),
        ("services", r"did you mean services\..*more below it"),
        ("zebra", r"the nearest are .*; all are in: portolan size SITE -o json"),
    ],
)
def test_an_item_that_is_not_in_the_plan_is_told_with_those_that_are(examples: Path, item: str, guess: str) -> None:
    with pytest.raises(PortolanError, match=guess):
        printed("explain", str(examples / "sandbox.yaml"), item)


def test_no_list_of_every_number_is_told_in_place_of_one(examples: Path) -> None:
    for item in ("zebra", "services", "replicas", ""):
        with pytest.raises(PortolanError) as told:
            printed("explain", str(examples / "sandbox.yaml"), item)
        assert len(str(told.value)) < 400, item
