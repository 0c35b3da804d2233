"""A YAML file as plain values that remember their lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from portolan.errors import PortolanError

EXAMPLE = "give the path of a site file, for example sites/sandbox.yaml"


class Document:
    """A parsed YAML file: its plain values, and the line of each key."""

    def __init__(self, path: Path, root: CommentedMap) -> None:
        self.path = path
        self._root = root
        self.values: Any = _plain(root)

    def line(self, location: Sequence[str | int]) -> int:
        """Return the line of the deepest part of `location` that the file has, counted from one."""
        node: Any = self._root
        line = int(self._root.lc.line) + 1
        for part in location:
            if not _has(node, part):
                break
            line = _line_of(node, part, line)
            node = node[part]
        return line


def numbers_without_end(node: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where the plain values hold .inf or .nan, which no key of a site can mean."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from numbers_without_end(value, (*at, key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from numbers_without_end(value, (*at, place))
    elif isinstance(node, float) and not math.isfinite(node):
        yield at


def _has(node: Any, part: str | int) -> bool:
    if isinstance(node, CommentedMap):
        return part in node
    return isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node)


def read_document(path: Path) -> Document:
    """Return the YAML file at `path`.

    Raises PortolanError where it is missing, unreadable, not UTF-8, empty, not YAML, or not a mapping.
    """
    text = _read_text(path)
    try:
        root = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        raise _duplicate(path, error) from error
    except MarkedYAMLError as error:
        raise _syntax(path, error) from error
    except (YAMLError, ValueError) as error:
        raise PortolanError(str(path), f"not YAML: {error}", "correct the file; see docs/reference/site.md") from error
    if root is None:
        raise PortolanError(f"{path}:1", "the file is empty", "copy sites/sandbox.yaml and change it")
    if not isinstance(root, CommentedMap):
        is_list = isinstance(root, CommentedSeq)
        where, kind = (f"{path}:{root.lc.line + 1}", "a list") if is_list else (str(path), "a single value")
        raise PortolanError(where, f"holds {kind}, not keys", "begin with `name: ...`, as sites/sandbox.yaml does")
    return Document(path, root)


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise PortolanError(str(path), "no such site file", _nearby(path)) from error
    except IsADirectoryError as error:
        raise PortolanError(str(path), "is a directory, not a site file", _nearby(path / "*")) from error
    except OSError as error:
        raise PortolanError(
            str(path), f"cannot be read: {error.strerror}", "check the path and the file's permissions"
        ) from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PortolanError(
            f"{path}:{line}", f"is not UTF-8: byte 0x{raw[error.start]:02x}", "save the file with UTF-8 encoding"
        ) from error


def _nearby(path: Path) -> str:
    found = sorted(str(file) for file in path.parent.glob("*.yaml"))
    if not found:
        return EXAMPLE
    return f"{path.parent} holds {', '.join(found)}; give one of these"


def _duplicate(path: Path, error: DuplicateKeyError) -> PortolanError:
    mark = error.problem_mark
    line = mark.line + 1 if mark is not None else 1
    key = (error.problem or "").split('"')
    name = key[1] if len(key) > 1 else "a key"
    return PortolanError(f"{path}:{line}", f"key '{name}' is given twice", "keep one of the two")


def _syntax(path: Path, error: MarkedYAMLError) -> PortolanError:
    # Where a key or a quote was begun says more than where the parser gave up on it.
    begun = (error.context or "").startswith("while scanning")
    mark = (error.context_mark if begun else error.problem_mark) or error.problem_mark or error.context_mark
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(path)
    problem = " ".join(part for part in (error.problem, error.context) if part)
    remedy = "check indentation, colons and quotes at this line and the one above"
    if "\\t" in problem or "'\\t'" in problem:
        remedy = "YAML does not allow tabs for indentation; use spaces"
    return PortolanError(where, f"not YAML: {problem}", remedy)


def _line_of(node: CommentedMap | CommentedSeq, part: str | int, otherwise: int) -> int:
    try:
        row = node.lc.key(part)[0] if isinstance(node, CommentedMap) else node.lc.item(part)[0]
    except (KeyError, IndexError, TypeError):
        return otherwise  # a key that a merge (<<) brought in has no line of its own
    return int(row) + 1


def _plain(node: Any) -> Any:
    """Return ruamel's round-trip values as plain Python values."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)  # dates and the like: the schema has none, and says what it wants instead
