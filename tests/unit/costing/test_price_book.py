"""Prices of one's own: chosen from, counted with, and refused with file, line and remedy where they do not fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from portolan.costing.book import FOLDER, catalogue_with
from portolan.costing.engine import cost
from portolan.paths import REPOSITORY
from portolan.report.compose import compose
from portolan.report.language import Tongue
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing.engine import size
from tests.unit.costing.test_cost import TODAY

SITE = REPOSITORY / "sites" / "onprem-starter.yaml"
BAD = Path(__file__).parent / "bad"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from portolan.cli import run; run()", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("book", ["empty-catalogue.yaml", "price-without-date.yaml"])
@pytest.mark.parametrize("command", ["size", "cost", "report", "explain"])
def test_every_command_refuses_a_price_book_that_does_not_fit(command: str, book: str, tmp_path: Path) -> None:
    more = {"report": ["--out", str(tmp_path / "out")], "explain": ["bill.on-prem.staff"]}.get(command, [])
    done = run(command, str(SITE), *more, "--price-book", str(BAD / book))
    assert done.returncode == 2
    assert f"{book}:" in done.stderr
    assert "remedy:" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_new_item_of_the_price_book_is_chosen_and_reported(tmp_path: Path) -> None:
    rows = YAML(typ="safe").load((FOLDER / "gpus.yaml").read_text(encoding="utf-8"))
    mine = next(row for row in rows if row["id"] == "l4") | {"id": "mine", "name": {"en": "Mine", "fr": "La mienne"}}
    mine["price"] = mine["price"] | {"likely": "100", "low": "90", "high": "110"}
    book = tmp_path / "book.yaml"
    YAML(typ="safe").dump([mine], book)
    catalogue, site, rows_of = catalogue_with(book), load_site(SITE), load_requirements()
    costs = cost(site, rows_of, catalogue, TODAY, draws=20)
    assert "mine" in {line.catalogue_item for line in costs.option("on-prem").bill.lines}
    document = compose(site, size(site, rows_of, catalogue), rows_of, Tongue("en"), TODAY, costs, catalogue)
    assert document.bill.total("supply") == costs.option("on-prem").capex
