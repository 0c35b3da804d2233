"""One report of each example site and language, and one whose lines have prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from portolan.costing.book import load_catalogue
from portolan.costing.engine import cost
from portolan.costing.shapes import CostReport
from portolan.paths import REPOSITORY
from portolan.report import compose as composing
from portolan.report.bill import bill_of
from portolan.report.content import Bill, Document
from portolan.report.language import Tongue
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing.engine import size

SITES = tuple(sorted(path.stem for path in (REPOSITORY / "sites").glob("*.yaml")))
LANGUAGES = ("en", "fr")
DAY = date(2026, 11, 24)


@cache
def costs_of(site: str) -> CostReport | None:
    """Return the costs of an example site; a sandbox is not bought."""
    described = load_site(Path(REPOSITORY / "sites" / f"{site}.yaml"))
    if described.hosts.provider == "sandbox":
        return None
    return cost(described, load_requirements(), load_catalogue(), DAY, draws=100)


@cache
def report(site: str, language: str) -> Document:
    described = load_site(Path(REPOSITORY / "sites" / f"{site}.yaml"))
    rows = load_requirements()
    plan = size(described, rows)
    return composing.compose(described, plan, rows, Tongue(language), DAY, costs_of(site))  # type: ignore[arg-type]


def with_prices(bill: Bill) -> Bill:
    """Return the bill with unit prices that do not come out even, so that rounding shows."""
    lines = tuple(
        line.model_copy(update={"unit_price": Decimal("1234.565") + place * Decimal("0.333")})
        for place, line in enumerate(bill.lines)
    )
    return bill.model_copy(update={"lines": lines, "currency": "USD"})


@pytest.fixture(params=LANGUAGES)
def priced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Document:
    monkeypatch.setattr(composing, "bill_of", lambda *arguments: with_prices(bill_of(*arguments)))
    return report.__wrapped__("onprem-national", request.param)


@pytest.fixture(params=[(site, language) for site in SITES for language in LANGUAGES], ids="-".join)
def document(request: pytest.FixtureRequest) -> Document:
    return report(*request.param)
