"""Sound site files, and the commands around them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from portolan.cli import application
from portolan.paths import REPOSITORY
from portolan.sites import Site, load_site

EXAMPLES = sorted((REPOSITORY / "sites").glob("*.yaml"))


def test_there_are_examples_of_the_sandbox_and_of_real_hosts() -> None:
    assert {path.stem for path in EXAMPLES} >= {"sandbox", "onprem-starter", "onprem-national"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_check_accepts_each_example_and_says_so_to_people(path: Path) -> None:
    result = CliRunner().invoke(application(), ["sites", "check", str(path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == ""


def test_what_is_left_out_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "least.yaml"
    path.write_text(
        "name: least\ntier: starter\ntopology: on-prem\nworkload: {declarations_per_day: 10}\n"
        "hosts:\n  provider: sandbox\n  nodes:\n    - {name: one, role: control-plane}\n",
        encoding="utf-8",
    )
    site = load_site(path)
    assert (site.language, site.network.plugin, site.hosts.ssh.port) == ("en", "bridge", 22)


def test_whole_numbers_may_stand_where_fractions_may(tmp_path: Path) -> None:
    text = (REPOSITORY / "sites" / "sandbox.yaml").read_text(encoding="utf-8")
    path = tmp_path / "sandbox.yaml"
    path.write_text(text.replace("items_per_declaration: 2.5", "items_per_declaration: 2"), encoding="utf-8")
    assert load_site(path).workload.items_per_declaration == 2.0


def test_parts_of_a_file_may_be_named_once_and_used_again(tmp_path: Path) -> None:
    path = tmp_path / "anchors.yaml"
    path.write_text(
        "name: anchors\ntier: starter\ntopology: on-prem\nworkload: {declarations_per_day: 10}\n"
        "hosts:\n  provider: sandbox\n  nodes:\n    - {name: one, role: control-plane}\n"
        "    - &worker {name: two, role: worker}\n    - {<<: *worker, name: three}\n",
        encoding="utf-8",
    )
    assert [host.role.value for host in load_site(path).hosts.nodes] == ["control-plane", "worker", "worker"]


def test_the_printed_schema_knows_the_keys_and_refuses_others() -> None:
    result = CliRunner().invoke(application(), ["sites", "schema"], catch_exceptions=False)
    schema = json.loads(result.stdout)
    assert set(schema["properties"]) == set(Site.model_fields)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_site_survives_being_written_and_read(path: Path, tmp_path: Path) -> None:
    site = load_site(path)
    copy = tmp_path / "copy.yaml"
    with copy.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(site.model_dump(mode="json"), stream)
    assert load_site(copy) == site
