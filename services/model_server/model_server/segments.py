"""A log in parts: segments of bounded size, named after the first, whose chain of digests runs on from part to part."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.errors import ServiceError
from model_server.storage import Folder, Store, open_store

START = "0" * 64  # stands for the line before the first
NAME = re.compile(r"(.+?)(?:\.([0-9]{6}))?(\.jsonl)?")


@dataclass(frozen=True, order=True)
class Segment:
    """One file of a log: the name of the first, and which it is of them."""

    log: str
    number: int

    @property
    def name(self) -> str:
        """The file's name.

        >>> Segment("a.jsonl", 1).name, Segment("a.jsonl", 2).name
        ('a.jsonl', 'a.000002.jsonl')
        """
        if self.number == 1:
            return self.log
        stem, suffix = (self.log[:-6], ".jsonl") if self.log.endswith(".jsonl") else (self.log, "")
        return f"{stem}.{self.number:06}{suffix}"


def segment_of(name: str) -> Segment:
    """Return which segment a file is.

    >>> segment_of("a.000002.jsonl")
    Segment(log='a.jsonl', number=2)
    """
    match = NAME.fullmatch(name)
    assert match is not None  # every name is one
    return Segment(match[1] + (match[3] or ""), int(match[2] or 1))


@dataclass(frozen=True)
class Log:
    """A checked log: its entries, the digest of the last, and the number of the segment that it begins with here."""

    name: str
    entries: tuple[Mapping[str, Any], ...]
    last: str
    begins: int = 1

    @property
    def number(self) -> int:
        """How many entries were written since the log's beginning."""
        return int(self.entries[-1]["number"]) if self.entries else 0


def check(name: str, parts: Iterable[tuple[Segment, bytes]]) -> Log:
    """Return the log that the segments are, in whatever order they come.

    Segments may be missing at the beginning, where they were shipped already, and nowhere else. Raises ServiceError
    that names the line from which on it is not what was written.
    """
    entries: list[Mapping[str, Any]] = []
    ordered = sorted(parts, key=lambda part: part[0])
    begins = ordered[0][0].number if ordered else 1
    number, last = 0, START
    for expected, (segment, content) in enumerate(ordered, begins):
        if segment.number != expected:
            missing = Segment(segment.log, expected).name
            raise ServiceError(f"{name}: {missing}", "the segment is missing", "fetch it from where it was shipped to")
        for place, line in enumerate(content.splitlines(), 1):
            try:
                entry = json.loads(line)
                if not entries and begins > 1:  # what came before is not here
                    number, last = entry["number"] - 1, entry["before"]
                whole = entry["before"] == last and entry["number"] == number + 1
            except (ValueError, KeyError, TypeError):
                whole = False
            if not whole:
                where = f"{name}:{place}" if segment.number == 1 else f"{name}, {segment.name}:{place}"
                raise ServiceError(where, "it does not follow from the line before", "the log was changed")
            entries.append(entry)
            number, last = number + 1, hashlib.sha256(line).hexdigest()
    return Log(name, tuple(entries), last, begins)


def gathered(addresses: Sequence[str]) -> dict[str, dict[Segment, bytes]]:
    """Return the segments of each log at `addresses`: files, folders, or prefixes of a bucket (`s3://BUCKET/PREFIX/`).

    A file stands for itself alone, unless other segments of its log are named too. Raises ServiceError.
    """
    found: dict[str, dict[Segment, bytes]] = defaultdict(dict)
    for address in addresses:
        store, names, where = _place(address)
        for name in names:
            segment = segment_of(name)
            found[where + segment.log][segment] = store.read(name)
    return found


def read(addresses: Sequence[str]) -> list[Log]:
    """Return the logs at `addresses`, checked. Raises ServiceError where one was changed."""
    return [check(name, parts.items()) for name, parts in gathered(addresses).items()]


def _place(address: str) -> tuple[Store, Sequence[str], str]:
    path = Path(address)
    if not address.startswith(("s3://", "file://")) and not path.is_dir():
        return Folder(path.parent), [path.name], f"{path.parent}/" if path.parent != Path() else ""
    where = address if address.endswith("/") else f"{address}/"
    store = open_store(where)
    names = [name for name in store.names() if name.endswith(".jsonl")]
    if not names:
        raise ServiceError(address, "there is no log in it", "name a folder or prefix that holds *.jsonl")
    return store, names, where
