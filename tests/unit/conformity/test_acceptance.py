"""The targets of acceptance: each names a check and a row that exist, and says where its number comes from."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from portolan.conformity.acceptance import (
    acceptance_targets,
    answered_by,
    load_floors,
    reasons_unanswered,
    why_unanswered,
)
from portolan.conformity.archive import Kept, judge_again
from portolan.conformity.cost import steps, total_seconds
from portolan.conformity.depth import Depth
from portolan.conformity.matrix import matrix
from portolan.conformity.registry import CHECKS
from portolan.conformity.run import site_targets
from portolan.errors import PortolanError
from portolan.report.compose import compose
from portolan.report.language import Tongue
from portolan.requirements.loader import load_requirements
from portolan.sites.loader import load_site
from tests.unit.conformity.test_verification import PLAN, REPOSITORY

ROWS = load_requirements()


@pytest.mark.parametrize("floor", load_floors(), ids=lambda floor: f"{floor.requirement}/{floor.check}")
def test_each_line_names_what_exists_and_its_source(floor):
    assert floor.check in CHECKS
    assert floor.statistic in CHECKS[floor.check].statistics
    assert floor.requirement in {row.id for row in ROWS.rows}
    if floor.value is not None:
        assert floor.source, "a number that is not the report's names its source"
        assert floor.unit == CHECKS[floor.check].unit


ASKED = ("hardware", "network", "storage", "security", "mlops")


def test_every_row_is_answered_by_a_named_check_or_listed_with_its_reason():
    rows = [row for row in ROWS.rows if row.kind.value in ASKED]
    answered = {row.id for row in rows if answered_by(row)}
    assert {check for row in rows for check in answered_by(row)} <= set(CHECKS)
    open_rows = {row.id for row in rows} - answered
    assert [row for row in sorted(open_rows) if not why_unanswered(row)] == []
    reasons = reasons_unanswered()
    assert [pattern for pattern in reasons if not any(fnmatchcase(row, pattern) for row in open_rows)] == []
    assert all(reason.keys() == {"en", "fr"} and all(reason.values()) for reason in reasons.values())


def test_the_readme_tells_how_many_rows_are_answered():
    rows = [row for row in ROWS.rows if row.kind.value in ASKED]
    text = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    answered = sum(bool(answered_by(row)) for row in rows)
    told = f"Of the report's {len(rows)} rows of kind hardware, network, storage, security and mlops, "
    told += f"{answered} are answered by a named check; {len(rows) - answered} are listed as not yet"
    assert told in text


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_procurement_report_and_the_matrix_name_the_same_tests(language):
    """What is asked of the bidder is what is measured on delivery: same checks, same requirements, nothing beside."""
    site = load_site(REPOSITORY / "sites" / "sandbox.yaml")
    document = compose(site, PLAN, ROWS, Tongue(language), date(2026, 1, 1))
    table = next(table for table in document.tables() if table.id == "acceptance")
    in_report = {(row[0].text, requirement) for row in table.rows for requirement in row[-1].text.split(", ")}
    targets = site_targets(REPOSITORY / "sites" / "sandbox.yaml", PLAN, Depth.BURN_IN)
    judgements = judge_again(targets, Kept(Path("none"), {"time": "2026-01-01T00:00:00Z"}, ()))
    found = matrix(PLAN, ROWS, judgements, CHECKS, {})
    in_matrix = {(one.target.check, row.id) for row in found.rows for one in row.judgements}
    assert in_report == in_matrix
    assert {check for check, _ in in_matrix} >= {"host.cpu-cores", "host.pair-throughput", "cluster.pods-placed"}


def test_quick_adds_nothing_and_each_depth_holds_the_shallower_one():
    quick, standard, burn_in = ({t.id for t in acceptance_targets(PLAN, ROWS, depth)} for depth in Depth)
    assert not quick
    assert standard < burn_in


def test_ids_are_unique_beside_the_plans_own():
    ids = [t.id for t in (*PLAN.targets, *acceptance_targets(PLAN, ROWS, Depth.BURN_IN))]
    assert len(ids) == len(set(ids))


def test_hardware_of_a_sandbox_is_never_credited():
    targets = acceptance_targets(PLAN, ROWS, Depth.STANDARD)
    assert all(t.simulated for t in targets if "accelerator" in t.check or t.check == "host.pair-throughput")


def test_what_shares_a_run_of_its_tool_is_paid_once():
    targets = [t for t in acceptance_targets(PLAN, ROWS, Depth.STANDARD) if "accelerator" in t.check]
    planned = steps(targets, CHECKS, Depth.STANDARD)
    figures = [step.seconds for step in planned if "accelerator.py" in step.by or "PROGRAM" in step.by]
    assert sorted(figures)[:-1] == [0.0] * (len(figures) - 1)
    assert total_seconds(planned) >= 60


def test_a_line_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "acceptance.yaml"
    path.write_text("- {requirement: X, check: host.x, subject: moon}\n")
    with pytest.raises(PortolanError, match="entry 1"):
        load_floors(path)
