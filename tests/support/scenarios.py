"""Long tests: what a scenario is, what it depends on, and the committed record of its last pass.

A scenario is a folder `tests/scenarios/NAME/` with `scenario.yaml`, `site.yaml` and pytest modules. Its tests are
marked `short` (in every `make test`) or `full` (with its own sandbox). A full pass is recorded with digests of the
files that the scenario depends on; while they are the same, `make test` runs its short tests only.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError
from ruamel.yaml import YAML, YAMLError

from portolan import paths
from portolan.errors import PortolanError
from portolan.files import write_atomically
from portolan.model import Model

FOLDER = paths.REPOSITORY / "tests" / "scenarios"
RECORDS = FOLDER / "passed"
IGNORED_FOLDERS = frozenset({"__pycache__", ".ruff_cache", ".mypy_cache"})


class Scenario(Model):
    """What `scenario.yaml` says."""

    title: str
    minutes: PositiveInt  # how long a full run takes on two cores
    stands: Literal["nothing", "hosts", "cluster", "platform"] = "cluster"  # before the first full test
    depends: tuple[str, ...] = Field(
        min_length=1
    )  # globs from the repository's root; FILE#KEY is one key of a YAML file


class Figure(Model):
    """A number that a full run measured."""

    name: str
    value: float
    unit: str
    command: str = ""


class Record(Model):
    """A full run that passed."""

    scenario: str
    passed_at: str
    seconds: float
    tests: int
    host: str
    figures: tuple[Figure, ...] = ()
    digests: dict[str, str]  # of the files that each glob finds


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of all scenarios."""
    return sorted(path.parent.name for path in folder.glob("*/scenario.yaml"))


def load(name: str, folder: Path = FOLDER) -> Scenario:
    """Read a scenario.

    Raises PortolanError where there is none of that name, or its file does not say what it must.
    """
    path = folder / name / "scenario.yaml"
    if not path.is_file():
        raise PortolanError(
            f"scenario {name}", "there is none of that name", f"choose one of: {', '.join(names(folder))}"
        )
    try:
        return Scenario.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except (ValidationError, YAMLError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        place = ".".join(str(part) for part in first["loc"])
        raise PortolanError(
            str(path), f"{place}: {first['msg']}" if place else first["msg"], "see tests/scenarios in CONTRIBUTING.md"
        ) from error


def digests(name: str, scenario: Scenario, root: Path = paths.REPOSITORY) -> dict[str, str]:
    """Return, for each glob of the scenario and for its own folder, the digest of what it finds.

    Raises PortolanError where a glob finds nothing: a scenario that depends on no file would never run again.
    """
    return {glob: _digest(name, glob, root) for glob in (f"tests/scenarios/{name}/**/*", *scenario.depends)}


def _digest(name: str, glob: str, root: Path) -> str:
    pattern, _, key = glob.partition("#")
    found = hashlib.sha256()
    files = list(_files(root, pattern))
    for path in files:
        content = path.read_bytes()
        if key:
            content = json.dumps(_key_of(content, key), sort_keys=True, default=str).encode()
        found.update(f"{path.relative_to(root)} {hashlib.sha256(content).hexdigest()}\n".encode())
    if not files:
        raise PortolanError(f"scenario {name}", f"no file is {pattern}", "correct `depends` in its scenario.yaml")
    return found.hexdigest()[:16]


def _files(root: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(root.glob(pattern)):
        if path.is_file() and not IGNORED_FOLDERS & set(path.relative_to(root).parts):
            yield path


def _key_of(content: bytes, key: str) -> Any:
    value: Any = YAML(typ="safe").load(content)
    for part in key.split("."):
        value = value[part] if isinstance(value, Mapping) else None
    return value


def within(minutes: Mapping[str, int], limit: int) -> list[str]:
    """Return the scenarios that fit into a limit of minutes, the shortest first.

    >>> within({"hybrid": 25, "air-gap": 8, "upgrade": 15}, 30)
    ['air-gap', 'upgrade']
    """
    fitting: list[str] = []
    for name in sorted(minutes, key=lambda name: (minutes[name], name)):
        if minutes[name] <= limit:
            fitting.append(name)
            limit -= minutes[name]
    return fitting


def record(name: str, folder: Path = RECORDS) -> Record | None:
    """Return the record of the last full pass; None where there is none that can be read."""
    try:
        return Record.model_validate_json((folder / f"{name}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def changed(name: str, scenario: Scenario, root: Path = paths.REPOSITORY, records: Path = RECORDS) -> list[str]:
    """Return the globs whose files are not those of the last full pass; none where it still holds.

    A scenario that never passed answers with all of its globs.
    """
    now, last = digests(name, scenario, root), record(name, records)
    before = last.digests if last else {}
    return [glob for glob, digest in now.items() if before.get(glob) != digest]


def keep(
    name: str, found: Mapping[str, str], seconds: float, tests: int, figures: Sequence[Figure], records: Path = RECORDS
) -> Path:
    """Write the record of a full pass, of files with these digests, and return its path."""
    entry = Record(
        scenario=name,
        passed_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        seconds=round(seconds, 1),
        tests=tests,
        host=_machine(),
        figures=tuple(figures),
        digests=dict(found),
    )
    path = records / f"{name}.json"
    write_atomically(path, entry.model_dump_json(indent=2) + "\n", mode=0o644)
    return path


def _machine() -> str:
    memory_kib = int(Path("/proc/meminfo").read_text(encoding="ascii").split()[1])
    return f"{os.cpu_count()} cores, {memory_kib / 2**20:.0f} GiB"
