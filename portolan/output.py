"""Standard output carries the one document that was asked for; people are spoken to on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

people = Console(stderr=True, highlight=False)


class Format(StrEnum):
    """How a document is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def emit(document: Any, output: Format) -> None:
    """Print one document (already plain data) on standard output as JSON or YAML."""
    if output is Format.JSON:
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    yaml = YAML()
    yaml.default_flow_style = False
    stream = StringIO()
    yaml.dump(document, stream)
    print(stream.getvalue(), end="")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for people on standard output."""
    grid = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(highlight=False, width=width).print(grid)
