"""Choose rows, and print them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Literal

from portolan.errors import PortolanError
from portolan.output import Format, emit, table
from portolan.requirements.schema import Requirement, Requirements, Text
from portolan.sites.schema import Tier

Language = Literal["en", "fr"]

COLUMNS = (
    *("id", "section", "component", "text", "operator", "value", "unit", "tier", "kind", "level", "note"),
    *("table", "upper", "open_ended", "topologies", "contradicts", "checks", "components", "roles", "locator"),
)


def language_of(name: str) -> Language:
    """Return the language called `name`; raises PortolanError for one that the rows do not speak."""
    languages: dict[str, Language] = {"en": "en", "fr": "fr"}
    if name in languages:
        return languages[name]
    raise PortolanError("--language", f"no language '{name}'", "give en or fr")


def select(
    requirements: Requirements, section: str | None = None, kind: str | None = None, tier: Tier | None = None
) -> tuple[Requirement, ...]:
    """Return the rows of a section (its subsections included), a kind and a tier.

    Raises PortolanError where no row has that section, since a misspelt section must not look like an empty one.
    """
    sections = {row.section for row in requirements.rows}
    if section is not None and not any(_within(known, section) for known in sections):
        ordered = sorted(sections, key=lambda known: [int(part) for part in known.split(".")])
        raise PortolanError("--section", f"no rows in section '{section}'", f"the sections are {', '.join(ordered)}")
    return tuple(
        row
        for row in requirements.rows
        if (section is None or _within(row.section, section))
        and (kind is None or row.kind.value == kind)
        and (tier is None or row.tier in ("any", tier.value))
    )


def _within(section: str, chosen: str) -> bool:
    return section == chosen or section.startswith(f"{chosen}.")


def print_rows(rows: Sequence[Requirement], language: Language, output: str) -> None:
    """Print the rows on standard output: `json` is a list, `csv` has a header, `table` is for people."""
    if output == "json":
        emit([row.model_dump(mode="json") for row in rows], Format.JSON)
        return
    cells = [[_cell(row, column, language) for column in COLUMNS] for row in rows]
    if output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(cells)
        return
    table(
        f"{len(rows)} requirements",
        ("id", "component", "text", "asks", "tier", "kind", "level"),
        [(row[0], row[2], row[3], _asks(row), row[7], row[8], row[9]) for row in cells],
    )


def _asks(cells: Sequence[str]) -> str:
    operator, value, unit = cells[4:7]
    upper = cells[COLUMNS.index("upper")]
    return " ".join((operator, f"{value} to {upper}" if upper else value, unit)).strip()


def _cell(row: Requirement, column: str, language: Language) -> str:
    value = getattr(row.answers if column in ("components", "roles") else row, column)
    if isinstance(value, Text):
        return value.fr if language == "fr" else value.en
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return " ".join(str(getattr(entry, "value", entry)) for entry in value)
    return "" if value is None else str(value)
