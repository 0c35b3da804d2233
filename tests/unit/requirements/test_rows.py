"""The report's lines as data: complete, consistent, and true to the report."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.requirements import Requirement, load_requirements
from portolan.requirements.units import in_base_units
from portolan.sites.schema import Tier, Topology

REQUIREMENTS = load_requirements()
SECTIONS = {
    *("3.3", "3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.3.5", "4.4", "4.5", "4.6", "5.3", "8.1", "8.2", "8.3"),
    *(
        "9.1.1",
        "9.1.2",
        "9.1.3",
        "9.2.1",
        "9.2.2",
        "9.2.3",
        "9.2.4",
        "9.3.1",
        "9.3.2",
        "9.3.3",
        "9.4.1",
        "9.4.2",
        "9.4.3",
    ),
    *("9.5.1", "9.5.2", "9.5.3", "9.5.4", "9.5.5", "9.5.6", "9.5.7", "9.5.8"),
    *("9.6.1", "9.6.2", "9.6.3", "9.6.4", "9.6.5", "9.6.6", "9.7.1", "9.7.2", "9.8.1", "9.8.2"),
    *("9.9", "9.9.1", "9.9.2", "9.10.1", "9.10.2", "9.10.3", "9.10.4"),
    *("10.1", "10.2", "10.3", "10.4", "10.5", "10.6", "10.7", "10.8", "10.9"),
    *("12.1.1", "12.1.2", "12.1.3", "12.1.4", "12.1.5", "12.1.6"),
}
# Headings as the scan has them: a dot lost, or the heading some lines below its number.
GARBLED = {"94.1": "9.4.1", "34.1": "3.4.1"}
HEADING = re.compile(r"^\s?((?:[2-9]|1[0-2])\.\d{1,2}(?:\.?\d)?|94\.1|34\.1)\s+(?:[A-ZÉM\u2019]|1A)")
LATE_HEADING = "Respect de I'utilisation des données et des droits"  # 4.5


@cache
def report_sections() -> dict[str, str]:
    """Split the report's text at its headings; the scan sometimes drops a dot or a space."""
    path = os.environ.get("PORTOLAN_REPORT")
    if not path:
        return {}
    sections: dict[str, list[str]] = {}
    current = ""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        heading = HEADING.match(line)
        if heading and not line.rstrip().endswith("."):
            number = heading.group(1)
            current = GARBLED.get(number) or re.sub(r"^([39])\.(\d)([1-9])$", r"\1.\2.\3", number)
        elif line.startswith(LATE_HEADING):
            current = "4.5"
        sections.setdefault(current, []).append(line)
    return {name: re.sub(r"\s+", " ", " ".join(lines)) for name, lines in sections.items()}


def section_text(section: str) -> str:
    sections = report_sections()
    if not sections:
        pytest.skip("PORTOLAN_REPORT does not name the report's text")
    return sections[section]


def numbers(text: str) -> set[float]:
    joined = re.sub(r"(?<=\d) (?=\d{3}\b)", "", text)
    return {float(number.replace(",", ".")) for number in re.findall(r"\d+(?:[.,]\d+)?", joined)}


# A range of which the scan has garbled one end, and a word that stands for a number: their notes say so.
WITHOUT_THEIR_NUMBER = {"CPU-9.6.1-02": "2 3 8 CPU", "TRN-9.4.3-01": "multi"}


@pytest.mark.parametrize("row", REQUIREMENTS.rows, ids=lambda row: row.id)
def test_each_row_stands_in_its_section_of_the_report(row: Requirement) -> None:
    text = section_text(row.section)
    assert row.locator in text


@pytest.mark.parametrize(
    "row", [row for row in REQUIREMENTS.rows if isinstance(row.value, float)], ids=lambda row: row.id
)
def test_each_number_is_the_reports_number(row: Requirement) -> None:
    text = section_text(row.section)
    assert row.locator in text
    if row.id in WITHOUT_THEIR_NUMBER:
        assert WITHOUT_THEIR_NUMBER[row.id] in text
        assert row.note is not None
    elif row.value == 0:
        assert "gratuit" in row.locator
    else:
        assert row.value in numbers(row.locator)
    assert row.upper is None or row.upper in numbers(row.locator)


def test_a_number_that_is_not_the_reports_is_found() -> None:
    row = REQUIREMENTS.get("GPU-9.6.3-04")
    assert row.value in numbers(row.locator)
    assert 350.0 not in numbers(row.locator)


@pytest.mark.parametrize("section", sorted(section for section in SECTIONS if section.startswith(("9.", "10."))))
def test_every_quantity_of_the_report_has_a_row(section: str) -> None:
    text = section_text(section)
    rows = [row for row in REQUIREMENTS.rows if row.section == section]
    told = {number for row in rows for number in (row.value, row.upper) if isinstance(number, float)}
    told |= {number for row in rows for number in numbers(row.locator)}
    found = re.findall(r"(\d[\d ]*(?:[.,]\d+)?)\s?(?:To|Go|Mo|MHz|USD|GPU|vCPU|nceuds|cceurs|coeurs|GbE|seconde)", text)
    for number in found:
        value = float(number.strip().replace(" ", "").replace(",", "."))
        assert value in told, f"{section}: nothing asks for {number}"


def test_every_section_of_the_slice_has_rows() -> None:
    assert {row.section for row in REQUIREMENTS.rows} == SECTIONS


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ("CIC-9.2.2-03", ("templates",)),
        ("EXP-9.4.1-03", ("notebooks",)),
        ("MLO-9.8.2-02", ("shadow",)),
        ("MLO-9.8.2-03", ("serving",)),
        ("MEM-9.5.2-01", ("16 GB", "32 GB")),
        ("MEM-9.6.4-01", ("256 GB",)),
        ("MEM-9.7.2-01", ("16 GB", "256 GB")),
        ("GPU-9.7.2-01", ("compute capability 7.0", "GPU-9.6.3-03")),
        ("GPU-9.6.3-03", ("V100",)),
        ("NET-9.7.1-02", ("bytes or bits",)),
        ("STO-9.6.4-01", ("2 TB",)),
        ("CLD-9.5.3-01", ("16 virtual CPUs",)),
    ],
)
def test_each_contradiction_of_the_report_is_noted_where_it_stands(identity: str, words: tuple[str, ...]) -> None:
    note = REQUIREMENTS.get(identity).note
    assert note is not None
    for word in words:
        assert word in note.en


def test_each_contradiction_names_rows_that_there_are() -> None:
    ids = {row.id for row in REQUIREMENTS.rows}
    told = [row for row in REQUIREMENTS.rows if row.contradicts]
    assert len(told) >= 15
    for row in told:
        assert set(row.contradicts) <= ids - {row.id}, row.id


def test_both_languages_are_worded_apart() -> None:
    for row in REQUIREMENTS.rows:
        assert row.text.en != row.text.fr, row.id
        assert row.note is None or row.note.en != row.note.fr, row.id


def test_starter_and_production_never_ask_the_same_host_for_two_minima_of_memory_on_site() -> None:
    for tier, expected in ((Tier.STARTER, {16.0}), (Tier.PRODUCTION, {256.0})):
        rows = REQUIREMENTS.applying(tier, Topology.ON_PREM)
        assert {row.value for row in rows if "host.memory-bytes" in row.checks} == expected


def test_a_unit_is_converted_to_what_checks_measure() -> None:
    assert in_base_units(2, "TB") == (2e12, "bytes")
    assert in_base_units(1, "Gbit/s") == (1e9, "bits/s")


BAD_ROW = """\
- id: CPU-9.6.1-01
  section: "9.6.1"
  component: CPU
  text: {en: At least two, fr: Au moins deux}
  operator: ">="
  value: 2
  unit: parsecs
  kind: hardware
  locator: "2"
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BAD_ROW, r"unknown unit 'parsecs'"),
        (BAD_ROW.replace("parsecs", "cores").replace('"9.6.1"', '"9.6.2"'), "does not carry its section 9.6.2"),
        (BAD_ROW.replace("parsecs", "cores").replace('">="', "present"), "'present' takes no value"),
        (BAD_ROW.replace("parsecs", "cores") + "  checks: [host.cpu-cores]\n", "checks and subject come together"),
        (BAD_ROW.replace("parsecs", "cores") * 2, "requirement id given twice: CPU-9.6.1-01"),
        (BAD_ROW.replace("parsecs", "cores") + "  colour: blue\n", "colour"),
        ("- {", "not YAML"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "section-9.6.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PortolanError, match=said):
        load_requirements(tmp_path)
