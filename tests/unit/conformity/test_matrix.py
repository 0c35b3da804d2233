"""The matrix cannot flatter: a row passes where all its targets passed, and silence is never a pass."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portolan.conformity import matrix_render as render
from portolan.conformity.acceptance import beyond_rows
from portolan.conformity.check import Check, Reading, nothing
from portolan.conformity.matrix import COVERAGES, NO_CHECK, _means, matrix, row_of, set_by_plan
from portolan.conformity.registry import CHECKS
from portolan.conformity.verification import verify
from portolan.conformity.wording import reason_in
from portolan.requirements.loader import load_requirements
from tests.unit.conformity.test_verification import PLAN, REPOSITORY, target, world

ROWS = load_requirements()
ROW = ROWS.get("CPU-9.6.1-02")
EVIL = "<script>alert(1)</script>"


def judged(*readings, ground="measured"):
    """Return a judgement for each reading: 4.0 passes, 1.0 fails, None is not measured."""
    found = []
    for number, value in enumerate(readings):
        name = f"host.x{number}"
        reading = nothing("no device") if value is None else Reading(value)
        checks = {name: Check(name, "x", "cores", "n", lambda *_, r=reading: r, ground=ground)}
        found += verify(world(), [target(name).model_copy(update={"requirement": ROW.id})], checks)
    return found


@given(st.lists(st.sampled_from([4.0, 1.0, None]), max_size=4))
def test_a_row_passes_only_where_every_target_passed(readings):
    verdict = row_of(ROW, judged(*readings), (), CHECKS).verdict
    assert (verdict == "pass") == (bool(readings) and all(reading == 4.0 for reading in readings))
    assert (verdict == "fail") == (1.0 in readings)


def test_what_is_not_passed_says_why():
    assert row_of(ROW, judged(4.0, None), (), CHECKS).reason.endswith("no device")
    assert row_of(ROW.model_copy(update={"checks": ()}), [], (), CHECKS).reason == NO_CHECK
    assert (
        "no check is called host.smell" in row_of(ROW.model_copy(update={"checks": ("host.smell",)}), [], (), {}).reason
    )


def test_coverage_tells_measuring_from_reading_and_from_declaring():
    assert row_of(ROW, judged(4.0), (), CHECKS).coverage == "measured"
    assert row_of(ROW, judged(4.0, ground="inspected"), (), CHECKS).coverage == "inspected"
    assert row_of(ROW, judged(None), (), CHECKS).coverage == "not-measured"
    declared = row_of(ROWS.get("K8S-9.5.6-05").model_copy(update={"checks": ()}), [], (), CHECKS)
    assert (declared.coverage, declared.verdict) == ("declared", "not-measured")


@pytest.fixture
def whole():
    targets = [entry for entry in PLAN.targets if entry.check.startswith("host.")][:6]
    checks = {
        entry.check: Check(entry.check, "x", entry.unit, EVIL, lambda *_: Reading(1.0, EVIL)) for entry in targets
    }
    return matrix(
        PLAN, ROWS, verify(world(), targets, checks), CHECKS, {"time": "2026-01-01T00:00:00Z", "depth": "quick"}
    )


def test_every_row_of_the_requirements_is_in_the_matrix_or_named_as_not_binding(whole):
    ids = [row.id for row in whole.rows]
    assert sorted([*ids, *whole.not_applicable]) == sorted(row.id for row in ROWS.rows)
    assert sum(whole.coverage.values()) == sum(whole.verdicts.values()) == len(ids)


def test_the_plan_tells_what_a_requirement_set():
    assert set_by_plan(PLAN)
    assert set(set_by_plan(PLAN)) <= {row.id for row in ROWS.rows}


def test_what_deploys_exists():
    paths = [path for part in _means().values() for found in part.values() for path in found]
    assert paths
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_coverage_comes_first_in_the_document(whole):
    assert next(iter(json.loads(render.as_json(whole)))) == "coverage"
    assert set(whole.coverage) == set(COVERAGES)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_page_stands_alone_and_runs_no_text_as_script(whole, language):
    page = render.as_html(whole, language)
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "http://" not in page
    assert "https://" not in page
    parser = HTMLParser()
    parser.feed(page)
    assert all(f'id="{row.id}"' in page for row in whole.rows)


def test_a_line_a_row_in_csv(whole):
    rows = list(csv.DictReader(io.StringIO(render.as_csv(whole, "fr"))))
    assert [row["id"] for row in rows] == [row.id for row in whole.rows]
    assert not any(cell[:1] in "=+@" for row in rows for cell in row.values() if cell)


def test_junit_skips_what_was_not_measured(whole):
    suite = ElementTree.fromstring(render.as_junit(whole))
    assert int(suite.get("tests")) == len(suite) == len(whole.rows)
    assert len(suite.findall("testcase/skipped")) == whole.verdicts["not-measured"] == int(suite.get("skipped"))
    assert len(suite.findall("testcase/failure")) == whole.verdicts["fail"]


def test_oscal_says_satisfied_of_passes_only(whole):
    (result,) = json.loads(render.as_oscal(whole))["assessment-results"]["results"]
    states = {finding["title"]: finding["target"]["status"]["state"] for finding in result["findings"]}
    security = [row for row in whole.rows if row.kind == "security"]
    assert states == {row.id: "satisfied" if row.verdict == "pass" else "not-satisfied" for row in security}
    known = {entry["uuid"] for entry in result.get("observations", [])}
    named = {r["observation-uuid"] for f in result["findings"] for r in f.get("related-observations", [])}
    assert named == known


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_certificate_is_the_same_bytes_twice_and_names_every_row(whole, language):
    from pypdf import PdfReader

    pdf = render.as_pdf(whole, language)
    assert pdf == render.as_pdf(whole, language)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).replace("\n", "")
    assert all(row.id in text for row in whole.rows)
    assert ("non mesuré" in text) == (language == "fr")


@pytest.mark.parametrize(
    ("reason", "french"),
    [
        (
            "host.cpu-cores on host/worker-1: simulated: 0.667 cores here say nothing of hardware",
            "host.cpu-cores sur host/worker-1 : simulé : 0.667 cores ne disent rien ici du matériel",
        ),
        (
            "cluster.vpn on cluster: on none of 3 hosts: no tunnel",
            "cluster.vpn sur cluster : sur aucun des 3 hôtes : aucun tunnel",
        ),
        ("the platform deploys no Spark yet", "la plateforme ne déploie pas encore Spark"),
        ("something that nobody has translated", "something that nobody has translated"),
    ],
)
def test_a_reason_is_told_in_french_part_by_part(reason, french):
    assert reason_in(reason, "fr") == french
    assert reason_in(reason, "en") == reason


def test_what_a_row_does_not_ask_for_does_not_leave_it_open_and_fails_it_where_it_fails():
    requirement, check = next(iter(beyond_rows()))
    row = ROWS.get(requirement)

    def verdict(extra):
        asked = judged(4.0)[0]
        other = judged(extra)[0]
        beyond = other.model_copy(update={"target": other.target.model_copy(update={"check": check})})
        return row_of(row, [asked, beyond], (), CHECKS).verdict

    assert verdict(None) == "pass"
    assert verdict(1.0) == "fail"


def test_every_word_is_there_in_both_languages():
    words = json.loads((Path(render.TEMPLATES) / "words.json").read_text(encoding="utf-8"))
    assert all(texts.keys() == {"en", "fr"} and all(texts.values()) for texts in words.values())
