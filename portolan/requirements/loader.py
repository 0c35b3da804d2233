"""Read the requirement rows: one YAML file a section of the report, in `portolan/requirements/report/`."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from portolan.errors import PortolanError
from portolan.requirements.schema import Requirement, Requirements, gather

ROWS = Path(__file__).parent / "report"


def section_order(path: Path) -> tuple[int, ...]:
    """Order `section-10.6.yaml` after `section-9.7.yaml`."""
    return tuple(int(part) for part in path.stem.removeprefix("section-").split("."))


def load_requirements(folder: Path = ROWS) -> Requirements:
    """Return all rows, in the report's order.

    Raises PortolanError that names the file and the row where one does not fit the schema.
    """
    rows: list[Requirement] = []
    for path in sorted(folder.glob("section-*.yaml"), key=section_order):
        rows.extend(_rows_of(path))
    try:
        return gather(rows)
    except ValidationError as error:
        raise PortolanError(str(folder), error.errors()[0]["msg"], "give each row an id of its own") from error


def _rows_of(path: Path) -> list[Requirement]:
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise PortolanError(str(path), f"not YAML: {error}", "correct the file") from error
    rows = []
    for entry in document or []:
        try:
            rows.append(Requirement.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            identity = entry.get("id", "row without id") if isinstance(entry, dict) else str(entry)
            where = f"{path} ({identity})"
            raise PortolanError(where, f"{key}: {first['msg']}", "see docs/reference/requirements.md") from error
    return rows
