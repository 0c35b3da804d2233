"""The page that says what ran is whole: every type that a stack declares has its line, and no line is about nothing."""

from __future__ import annotations

import re

import pytest

from tests.support.clouds import PROVIDERS, REPOSITORY, stack_of

PAGE = REPOSITORY / "docs" / "reference" / "cloud-matrix.md"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def rows():
    resources = PAGE.read_text(encoding="utf-8").split("## Resources")[1]
    return {kind: cells for kind, *cells in ROW.findall(resources)}


def kinds_of(provider):
    return {one.kind for one in stack_of(provider).resources if not one.component and "pulumi:" not in one.kind}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_type_of_a_stack_has_its_line(provider):
    assert sorted(kinds_of(provider) - set(rows())) == []


def test_every_line_is_about_a_type_that_some_stack_declares():
    assert sorted(set(rows()) - {kind for provider in PROVIDERS for kind in kinds_of(provider)}) == []


def test_nothing_is_called_run_at_a_provider():
    assert {cells[-1].strip() for cells in rows().values()} == {"not run"}


def test_every_test_that_the_page_names_is_there():
    for path in re.findall(r"`(tests/[^`]+)`", PAGE.read_text(encoding="utf-8")):
        assert (REPOSITORY / path).exists(), path
