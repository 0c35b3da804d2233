"""Costs of the example sites: sums that agree, ranges that hold, chains that end in a source."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import qmc
from typer.testing import CliRunner

from portolan.cli import application
from portolan.costing.book import load_catalogue, read_items
from portolan.costing.engine import cost, latin_hypercube
from portolan.costing.shapes import CostReport, cents, total_of
from portolan.errors import PortolanError
from portolan.paths import REPOSITORY
from portolan.requirements import load_requirements
from portolan.sites import load_site

EXAMPLES = [path for path in sorted((REPOSITORY / "sites").glob("*.yaml")) if path.stem != "sandbox"]
TODAY = datetime.date(2026, 11, 24)


def report_on(path: Path, draws: int = 200) -> CostReport:
    return cost(load_site(path), load_requirements(), load_catalogue(), TODAY, draws)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_line_adds_up_and_ends_in_a_price_with_its_source(path: Path) -> None:
    report = report_on(path)
    for option in report.options:
        assert option.bill.lines
        assert option.bill.total == total_of(option.bill.subtotals().values())
        assert option.total == total_of(year.total for year in option.years)
        assert option.range.p10 <= option.range.p50 <= option.range.p90
        for line in option.bill.lines:
            assert line.total == cents(line.quantity * line.unit_price)
            assert line.chain[-1].origin in ("price", "input")
            assert line.chain[-1].source
    assert sum(report.ranks.cheapest.values()) == pytest.approx(1)


def test_the_same_seed_gives_the_same_report() -> None:
    assert report_on(EXAMPLES[0]) == report_on(EXAMPLES[0])


def test_the_draws_are_those_of_the_published_latin_hypercube() -> None:
    ours = latin_hypercube(7, 50, np.random.default_rng(3))
    assert np.array_equal(ours, qmc.LatinHypercube(d=7, rng=np.random.default_rng(3)).random(50))
    assert np.array_equal(np.sort(np.floor(ours * 50), axis=0)[:, 0], np.arange(50))


def test_the_present_value_is_the_textbooks() -> None:
    report = report_on(REPOSITORY / "sites" / "onprem-starter.yaml")
    option = report.option("on-prem")
    by_hand = float(option.capex) + sum(float(year.opex) / 1.08**year.year for year in option.years if year.year)
    assert float(option.present_value + option.residual) == pytest.approx(by_hand, abs=0.05)


def test_services_have_no_value_at_the_end() -> None:
    report = report_on(REPOSITORY / "sites" / "onprem-starter.yaml")
    assert report.option("cloud").residual == 0
    owned = report.option("on-prem")
    services = total_of(line.total for line in owned.bill.lines if line.category == "capex" and line.group == "service")
    assert float(owned.residual) == pytest.approx(0.05 * float(owned.capex - services) / 1.08**5, abs=0.01)


def test_an_old_price_is_warned_of() -> None:
    assert any("older than 180 days" in warning for warning in report_on(EXAMPLES[0]).warnings)


def test_an_unknown_line_is_told_with_near_names() -> None:
    with pytest.raises(PortolanError, match=r"did you mean bill\.on-prem\.staff"):
        CliRunner().invoke(application(), ["explain", str(EXAMPLES[0]), "bill.on-prem.stafff"], catch_exceptions=False)


def test_json_reads_back() -> None:
    result = CliRunner().invoke(
        application(), ["cost", str(EXAMPLES[0]), "-o", "json", "--draws", "50"], catch_exceptions=False
    )
    assert CostReport.model_validate(json.loads(result.stdout)).draws == 50


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "bad").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_price_book_is_told_with_its_line(path: Path) -> None:
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(PortolanError) as caught:
        read_items(path)
    assert expected in str(caught.value)
