"""The benchmark of sizing: published examples are met, and published rates covered."""

from __future__ import annotations

import pytest

from benchmarks.sizing.__main__ import LARGEST_ERROR, LARGEST_RATE_ERROR
from benchmarks.sizing.examples import EXAMPLES, Example
from benchmarks.sizing.rates import Rate, coverage, rates


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_each_formula_gives_its_sources_number(example: Example) -> None:
    assert example.ours() == pytest.approx(example.published, rel=LARGEST_ERROR)
    assert example.source


@pytest.mark.parametrize("rate", rates(), ids=lambda rate: rate.name)
def test_each_planned_rate_is_near_the_published_one(rate: Rate) -> None:
    assert abs(rate.error) <= LARGEST_RATE_ERROR
    assert rate.low < rate.planned < rate.high


def test_the_range_covers_at_least_three_fifths_of_the_published_rates() -> None:
    assert coverage(rates()) >= 0.6


def test_a_rate_outside_the_range_lowers_the_coverage() -> None:
    one = rates()[0]
    assert coverage([one._replace(published=one.high * 2)]) == 0
