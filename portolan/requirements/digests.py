"""Digests of what each row asks, so that a changed number is found where the report's text is not at hand.

`python -m portolan.requirements.digests` writes them anew; do so only after the rows were compared with the report
(`PORTOLAN_REPORT=... pytest tests/unit/requirements`).
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from ruamel.yaml import YAML

from portolan.requirements.loader import load_requirements
from portolan.requirements.schema import Requirement, Requirements

DIGESTS = Path(__file__).parent / "digests.yaml"


def digest(row: Requirement) -> str:
    """Return the digest of where a row stands and of its operator, numbers and unit."""
    asked = (row.section, row.locator, row.operator, row.value, row.upper, row.open_ended, row.unit)
    return sha256(repr(asked).encode()).hexdigest()


def changed(requirements: Requirements, path: Path = DIGESTS) -> list[str]:
    """Return the ids of rows that are new, gone, or ask something else than when the digests were written."""
    known = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    found = {row.id: digest(row) for row in requirements.rows}
    return sorted(identity for identity in known.keys() | found.keys() if known.get(identity) != found.get(identity))


def write(requirements: Requirements, path: Path = DIGESTS) -> None:
    """Write the digests of all rows."""
    lines = [f"{row.id}: {digest(row)}\n" for row in requirements.rows]
    path.write_text("# Written by `python -m portolan.requirements.digests`.\n" + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    write(load_requirements())
