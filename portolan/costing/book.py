"""Read the catalogue: facts and prices as data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from portolan.costing.shapes import CatalogueItem
from portolan.errors import PortolanError

FOLDER = Path(__file__).parent / "catalogue"


@cache
def load_catalogue(folder: Path = FOLDER) -> dict[str, CatalogueItem]:
    """Return all items by id.

    Raises PortolanError with file and line where an item is wrong, is given twice, or there are none.
    """
    items: dict[str, CatalogueItem] = {}
    for path in sorted(folder.glob("*.yaml")):
        for item in read_items(path):
            if item.id in items:
                raise PortolanError(str(path), f"item '{item.id}' is given twice", "give each item an id of its own")
            items[item.id] = item
    if not items:
        raise PortolanError(str(folder), "the catalogue is empty", "give it items; see docs/reference/catalogue.md")
    return items


def catalogue_with(price_book: Path | None) -> dict[str, CatalogueItem]:
    """Return the catalogue, with the items of a price book in place of its own, or beside them."""
    catalogue = dict(load_catalogue())
    if price_book is not None:
        catalogue |= {item.id: item for item in read_items(price_book)}
    return catalogue


def read_items(path: Path) -> Iterable[CatalogueItem]:
    """Return the items of one file; raises PortolanError with file and line where one does not fit."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        rows: Any = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise PortolanError(str(path), what, "give the path of a YAML list of catalogue items") from error
    except UnicodeDecodeError as error:
        raise PortolanError(str(path), "is not UTF-8", "save it as UTF-8") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = f"not YAML: {error.problem or error.context}"
        raise PortolanError(f"{path}:{line}", what, "correct the line; see docs/reference/catalogue.md") from error
    if rows is not None and not isinstance(rows, list):
        raise PortolanError(f"{path}:1", "holds no list", "begin each item with `- `; see docs/reference/catalogue.md")
    if not rows:
        raise PortolanError(f"{path}:1", "the catalogue is empty", "give it items; see docs/reference/catalogue.md")
    lines: Any = getattr(rows, "lc", None)
    found = []
    for place, row in enumerate(rows):
        try:
            found.append(CatalogueItem.model_validate(json.loads(json.dumps(row, default=str))))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            name = row.get("id", "item without id") if isinstance(row, dict) else str(row)
            where = f"{path}:{lines.item(place)[0] + 1}"
            raise PortolanError(
                where, f"{name}: {key}: {first['msg'].lower()}", f"correct {key}; see docs/reference/catalogue.md"
            ) from error
    return found
