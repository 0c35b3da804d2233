"""`portolan requirements` lists rows by section, kind and tier."""

from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from portolan.cli import application
from portolan.errors import PortolanError

FIELDS = {"id", "section", "component", "text", "operator", "value", "unit", "tier", "kind"}


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(application(), ["requirements", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_json_is_one_document_with_the_fields_that_others_read() -> None:
    rows = json.loads(printed("-o", "json"))
    assert len(rows) > 90
    assert all(row.keys() >= FIELDS for row in rows)


def test_a_section_includes_its_subsections() -> None:
    sections = {row["section"] for row in json.loads(printed("--section", "9.6", "-o", "json"))}
    assert sections == {"9.6.1", "9.6.2", "9.6.3", "9.6.4", "9.6.5", "9.6.6"}


def test_a_section_is_not_taken_by_its_first_digits() -> None:
    assert {row["section"] for row in json.loads(printed("--section", "9.6.4", "-o", "json"))} == {"9.6.4"}


def test_a_tier_includes_the_rows_for_any_tier() -> None:
    rows = json.loads(printed("--tier", "starter", "-o", "json"))
    assert {row["tier"] for row in rows} == {"starter", "any"}


def test_a_kind_excludes_the_others() -> None:
    rows = json.loads(printed("--kind", "security", "-o", "json"))
    assert rows
    assert {row["kind"] for row in rows} == {"security"}


def test_csv_has_a_header_and_one_line_a_row() -> None:
    table = list(csv.DictReader(io.StringIO(printed("--section", "9.6.3", "--language", "fr", "-o", "csv"))))
    assert [row["id"] for row in table] == [f"GPU-9.6.3-{place:02d}" for place in range(1, 7)]
    assert "cœurs CUDA" in table[0]["text"]


def test_the_table_shows_ids_and_what_is_asked() -> None:
    shown = printed("--section", "9.6.4")
    assert "MEM-9.6.4-01" in shown
    assert ">= 16 GB" in shown


def test_a_section_without_rows_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(PortolanError, match=r"no rows in section '9\.66'(.|\n)*9\.6\.6"):
        printed("--section", "9.66")


def test_a_language_that_is_not_spoken_is_refused() -> None:
    with pytest.raises(PortolanError, match="give en or fr"):
        printed("--language", "la")
