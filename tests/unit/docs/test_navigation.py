"""The documentation's pages are where its navigation says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort
from ruamel.yaml import YAML
from typer.main import get_command

from portolan.cli import application
from portolan.paths import REPOSITORY

DOCS = REPOSITORY / "docs"


def pages(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from pages(value)
    else:
        for value in entry:
            yield from pages(value)


NAVIGATION = list(pages(YAML(typ="safe").load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))


@pytest.mark.parametrize("page", NAVIGATION)
def test_each_page_of_the_navigation_exists_and_begins_with_its_title(page: str) -> None:
    assert (DOCS / page).is_file()
    assert (DOCS / page).read_text(encoding="utf-8").startswith("# ")


def test_every_page_is_in_the_navigation() -> None:
    assert {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - set(NAVIGATION) == set()


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    config = load_config(str(REPOSITORY / "mkdocs.yml"), strict=True, site_dir=str(tmp_path))
    try:
        build(config)
    except Abort as abort:
        pytest.fail(f"mkdocs build --strict: {abort}")
    assert (tmp_path / "index.html").is_file()


def test_every_command_is_on_the_page_of_commands() -> None:
    command = get_command(application())
    names = set(command.commands)  # type: ignore[attr-defined]
    page = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    told = set(re.findall(r"portolan ([a-z]+)", page)) | set(re.findall(r"\\\|([a-z]+)", page))
    assert names - told == set()
