"""`portolan explain` leads every line of every bill, and every number of every plan, back to where it comes from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from portolan.costing import explanation as lines
from portolan.costing.shapes import BillLine, CostReport
from portolan.output import Format
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing import explanation as numbers
from portolan.sizing.engine import size
from portolan.sizing.reasons import FORMULAS
from tests.unit.costing.test_cost import EXAMPLES, report_on

ROWS = load_requirements()
ROW_IDS = {row.id for row in ROWS.rows}
# Inputs of formulas that another formula gives, and must therefore explain.
DERIVED = {"lake", "arrivals_per_second", "images_per_second", "concurrent", "cache_bytes", "gpu_hours", "object_store"}
costs = cache(report_on)


def bill_lines(path: Path) -> list[BillLine]:
    return [line for option in costs(path).options for line in option.bill.lines]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_line_ends_in_figures_requirements_and_sourced_constants(path: Path) -> None:
    for line in bill_lines(path):
        assert [step.origin for step in line.chain].count("price") + (line.chain[-1].origin == "input") == 1, line.item
        for place, step in enumerate(line.chain):
            assert step.source or step.expression, (line.item, step.name)
            if step.origin == "requirement":
                assert step.name in ROW_IDS or step.name in FORMULAS
            explained = {
                later.explains for later in line.chain[place + 1 :] if later.depth == step.depth + 1
            }  # those of later siblings are among them
            assert {name for name in step.inputs if name in DERIVED} <= explained, (line.item, step.name)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_line_can_be_explained_to_people(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def known(*_: object) -> CostReport:
        return costs(path)

    monkeypatch.setattr(lines, "report_of", known)
    for line in bill_lines(path):
        lines.explain_line(path, line.item, Format.TABLE)
        shown = capsys.readouterr().out
        assert line.item in shown
        assert "unit price" in shown


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_number_of_the_plan_has_its_chain(path: Path) -> None:
    plan = size(load_site(path), ROWS)
    for item, quantity in numbers.quantities(plan):
        chain = numbers.explain(plan, item, ROWS)
        assert sum(step.binds for step in chain.steps) == 1
        assert chain.steps[0].value == quantity.value
        for step in chain.steps:
            assert step.requirement_text or step.source or step.expression, item


def test_the_object_store_leads_to_the_gigabytes_of_a_day() -> None:
    path = next(path for path in EXAMPLES if path.stem == "korea")
    line = next(line for line in bill_lines(path) if line.item == "bill.on-prem.object_store_bytes")
    lake = next(step for step in line.chain if step.explains == "lake")
    assert (lake.name, lake.inputs["gigabytes_per_day"], lake.inputs["days"]) == ("lake.kept", 75, 5 * 365)
