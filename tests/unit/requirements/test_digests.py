"""A changed number is found on any machine, without the report's text."""

from __future__ import annotations

import pytest

from portolan.requirements import Requirements, load_requirements
from portolan.requirements.digests import changed

REQUIREMENTS = load_requirements()


def test_every_row_asks_what_was_compared_with_the_report() -> None:
    assert changed(REQUIREMENTS) == []


@pytest.mark.parametrize(
    ("identity", "change"),
    [
        ("MEM-9.6.2-01", {"value": 128.0}),
        ("MEM-9.6.2-01", {"unit": "MB"}),
        ("MEM-9.6.2-01", {"operator": "<="}),
        ("MEM-9.6.2-01", {"locator": "128 Go"}),
        ("COST-10.7-03", {"upper": 70000.0}),
    ],
)
def test_a_changed_row_is_named(identity: str, change: dict[str, object]) -> None:
    rows = tuple(row.model_copy(update=change) if row.id == identity else row for row in REQUIREMENTS.rows)
    assert changed(Requirements(rows=rows)) == [identity]


def test_a_row_that_is_gone_is_named() -> None:
    assert changed(Requirements(rows=REQUIREMENTS.rows[1:])) == [REQUIREMENTS.rows[0].id]
