"""The targets of acceptance: each names a check and a row that exist, and says where its number comes from."""

from __future__ import annotations

import pytest

from portolan.conformity.acceptance import acceptance_targets, load_floors
from portolan.conformity.cost import steps, total_seconds
from portolan.conformity.depth import Depth
from portolan.conformity.registry import CHECKS
from portolan.errors import PortolanError
from portolan.requirements.loader import load_requirements
from tests.unit.conformity.test_verification import PLAN

ROWS = load_requirements()


@pytest.mark.parametrize("floor", load_floors(), ids=lambda floor: f"{floor.requirement}/{floor.check}")
def test_each_line_names_what_exists_and_its_source(floor):
    assert floor.check in CHECKS
    assert floor.statistic in CHECKS[floor.check].statistics
    assert floor.requirement in {row.id for row in ROWS.rows}
    if floor.value is not None:
        assert floor.source, "a number that is not the report's names its source"
        assert floor.unit == CHECKS[floor.check].unit


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
