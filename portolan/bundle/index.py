"""What a bundle holds: the entries of `index.json`, and how their digests are made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from portolan.errors import PortolanError
from portolan.files import write_atomically
from portolan.model import Model

INDEX_NAME = "index.json"

Kind = Literal["binary", "image", "chart", "folder", "manifests", "root", "debian"]
Source = Literal["official", "mirror", "module", "package", "built"]


class Entry(Model):
    """One thing in the bundle; `path` is a file or a folder, relative to the bundle."""

    name: str
    kind: Kind
    version: str
    reference: str | None = None
    path: str
    sha256: str
    size_bytes: int
    source: Source
    nodes: tuple[str, ...] = ()
    simulated_data: bool = False  # the content was generated, not published by anybody


class FileDigest(Model):
    """A file's content and whether it is executable."""

    sha256: str
    size_bytes: int
    executable: bool = False


class Index(Model):
    """All entries, and every file with its digest."""

    schema_version: Literal[1] = 1
    entries: tuple[Entry, ...]
    files: dict[str, FileDigest]

    def entry(self, kind: Kind, name: str) -> Entry:
        """Return one entry; raises KeyError where the bundle has none."""
        for entry in self.entries:
            if entry.kind == kind and entry.name == name:
                return entry
        raise KeyError(name)

    def files_of(self, entry: Entry) -> dict[str, FileDigest]:
        """Return the files that make up an entry."""
        return files_below(self.files, entry.path)


def files_below(files: Mapping[str, FileDigest], path: str) -> dict[str, FileDigest]:
    """Return the file at `path`, or all files in the folder `path`."""
    if path in files:
        return {path: files[path]}
    return {name: digest for name, digest in files.items() if name.startswith(f"{path}/")}


def tree_digest(files: Mapping[str, FileDigest]) -> str:
    """Return one digest for many files: names, contents and executable bits.

    A single file's digest is that of its content.
    """
    if len(files) == 1:
        return next(iter(files.values())).sha256
    lines = (f"{files[name].sha256} {int(files[name].executable)} {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest_of(value: object) -> str:
    """Return the digest of plain data, the same on every machine."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of_sources(paths: Iterable[Path]) -> dict[str, str]:
    """Return the digest of each source file below the given files and folders, without what tools leave there."""
    digests: dict[str, str] = {}
    for path in paths:
        if path.is_file():
            digests[path.name] = digest_of_file(path)
            continue
        for file in sorted(path.rglob("*")):
            relative = file.relative_to(path)
            if file.is_file() and not any(part in IGNORED or part.startswith(".") for part in relative.parts):
                digests[str(relative)] = digest_of_file(file)
    return digests


IGNORED = frozenset({"__pycache__", "tests", "node_modules", "build", "dist"})


def read_index(directory: Path) -> Index:
    """Read a bundle's index.

    Raises PortolanError where there is no bundle or its index is damaged.
    """
    path = directory / INDEX_NAME
    try:
        return Index.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise PortolanError(str(directory), "there is no bundle", "run: portolan bundle build") from error
    except ValidationError as error:
        raise PortolanError(str(path), "the index is damaged", "run: portolan bundle build") from error


def write_index(directory: Path, index: Index) -> None:
    """Write a bundle's index atomically."""
    write_atomically(directory / INDEX_NAME, index.model_dump_json(indent=1) + "\n", mode=0o644)
