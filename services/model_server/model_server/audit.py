"""A log of decisions that shows whether it was changed: each line holds the digest of the line before.

A log is a row of segments of bounded size, one file each, and the chain runs on from one to the next.
`python -m model_server.audit LOG...` checks logs: files, folders, or prefixes of a bucket. Identities of persons and
firms never enter it in the clear: a keyed digest stands for each, so that entries about the same importer can be put
together by whoever holds the key, and by nobody else. A log is written by one process; several workers keep one each.
What a chain cannot show is that its end was cut off: keep the last digest elsewhere (`verify` tells it).
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_server import segments
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.segments import START, Segment

PERSONAL = frozenset({"caller", "declarant_id", "importer_id", "seller_id", "courier_id", "officer", "declaration_id"})
KEY_BYTES_LEAST = 16
# What is shipped again whole while it grows: some 600 decisions of 430 bytes.
SEGMENT_BYTES = 256 << 10


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class AuditLog:
    """A log in a row of files, appended to line by line and put on the disk before an answer is given."""

    def __init__(self, path: Path, key: bytes, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Continue the log at `path`. Raises ServiceError where it was changed, or the key is too short."""
        if len(key) < KEY_BYTES_LEAST:
            raise ServiceError("audit key", f"fewer than {KEY_BYTES_LEAST} bytes", "make a longer random key")
        self._key = key
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._noted = False
        self._full: list[int] = []  # files of segments that no line is added to; not yet on the disk for certain
        self._folder, self._segment = path.parent, Segment(path.name, 1)
        try:
            self._number, self._last = 0, START
            if path.exists():
                beside = (segments.segment_of(one.name) for one in self._folder.iterdir())
                found = sorted(one for one in beside if one.log == path.name)
                self._number, self._last = verify(*(self._folder / one.name for one in found))
                self._segment = found[-1]
            self._file = self._open(self._segment)
        except OSError as error:
            raise ServiceError(str(path), error.strerror or str(error), "name a folder that can be written") from None

    def _open(self, segment: Segment) -> int:
        """Return an open file whose name is on the disk too."""
        file = os.open(self._folder / segment.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return file

    def mask(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` with a keyed digest in place of each identity; an empty one stays empty."""
        return {
            name: hmac.new(self._key, f"{name}={value}".encode(), hashlib.sha256).hexdigest()[:32]
            if name in PERSONAL and value
            else value
            for name, value in values.items()
        }

    def append(self, kind: str, values: Mapping[str, Any]) -> str:
        """Append an entry and return its digest. Raises OSError, and keeps nothing, where the disk does not take it."""
        return self._append(kind, values, on_disk=True)

    def note(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append an entry that `flush` puts on the disk; it outlives the process, not the host. Raises as `append`."""
        self._append(kind, values, on_disk=False)
        self._noted = True

    def flush(self) -> None:
        """Put what was noted on the disk. Raises OSError where that fails."""
        if not self._noted:
            return
        self._noted = False
        with self._lock:  # but not while the disk works: who notes would wait for it
            full, self._full = self._full, []
            current = os.dup(self._file)
        _settle([*full, current])

    def _append(self, kind: str, values: Mapping[str, Any], on_disk: bool) -> str:
        with self._lock:
            entry = {
                "number": self._number + 1,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "kind": kind,
                "before": self._last,
                **self.mask(values),
            }
            line = _line(entry)
            whole = line + b"\n"
            size = os.fstat(self._file).st_size
            if size and size + len(whole) > self._segment_bytes:
                self._next()
                size = 0
            try:
                if os.write(self._file, whole) != len(whole):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a part was taken
                if on_disk:
                    full, self._full = self._full, []
                    _settle(full)
                    os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, size)
                raise
            self._number += 1
            self._last = hashlib.sha256(line).hexdigest()
            return self._last

    def _next(self) -> None:
        """Begin the next segment. Raises OSError, and goes on with this one, where the disk does not take it."""
        following = Segment(self._segment.log, self._segment.number + 1)
        file = self._open(following)
        self._full.append(self._file)
        self._file, self._segment = file, following


def _settle(files: Sequence[int]) -> None:
    """Put files on the disk and close them. Raises OSError where that fails."""
    try:
        for file in files:
            os.fsync(file)
    finally:
        for file in files:
            os.close(file)


def verify(*paths: Path) -> tuple[int, str]:
    """Return how many entries the log in these segments has and the digest of the last.

    Raises ServiceError that names the line from which on it is not what was written.
    """
    try:
        parts = [(segments.segment_of(path.name), path.read_bytes()) for path in paths]
    except OSError as error:
        raise ServiceError(str(error.filename), error.strerror or str(error), "check the path") from None
    log = segments.check(str(paths[0]), parts)
    return log.number, log.last


def run(arguments: Sequence[str] | None = None) -> int:
    """Check the logs that are named, tell their last digests, and return the exit status; 2 where one was changed."""
    names = sys.argv[1:] if arguments is None else arguments
    if not names:
        print("name logs: files, folders, or s3://BUCKET/PREFIX/", file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    status = 0
    try:
        parts = segments.gathered(names)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    for name, segments_of_it in parts.items():
        try:
            log = segments.check(name, segments_of_it.items())
        except ServiceError as error:
            print(error, file=sys.stderr)
            status = EXIT_COULD_NOT_RUN
            continue
        print(f"{name}: {log.number} entries, last {log.last}")
        if log.begins > 1:
            missing = f"segments 1 to {log.begins - 1} are not here: not checked"
            print(f"{name}: {missing}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(run())
