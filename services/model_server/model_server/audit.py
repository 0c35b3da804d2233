"""A log of decisions that shows whether it was changed: each line holds the digest of the line before.

`python -m model_server.audit FILE` checks a log. Identities of persons and firms never enter it in the clear: a keyed
digest stands for each, so that entries about the same importer can be put together by whoever holds the key, and by
nobody else. A log is written by one process; several workers keep one each. What a chain cannot show is that its end
was cut off: keep the last digest elsewhere (`verify` tells it).
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

from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError

START = "0" * 64  # stands for the line before the first
PERSONAL = frozenset({"caller", "declarant_id", "importer_id", "seller_id", "courier_id", "officer", "declaration_id"})
KEY_BYTES_LEAST = 16


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class AuditLog:
    """A log in one file, appended to line by line and put on the disk before an answer is given."""

    def __init__(self, path: Path, key: bytes) -> None:
        """Continue the log at `path`. Raises ServiceError where it was changed, or the key is too short."""
        if len(key) < KEY_BYTES_LEAST:
            raise ServiceError("audit key", f"fewer than {KEY_BYTES_LEAST} bytes", "make a longer random key")
        self._key = key
        self._lock = threading.Lock()
        self._noted = False
        try:
            self._number, self._last = verify(path) if path.exists() else (0, START)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise ServiceError(str(path), error.strerror or str(error), "name a folder that can be written") from None

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
        if self._noted:
            self._noted = False
            os.fsync(self._file)

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
            try:
                if os.write(self._file, whole) != len(whole):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a part was taken
                if on_disk:
                    os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, size)
                raise
            self._number += 1
            self._last = hashlib.sha256(line).hexdigest()
            return self._last


def verify(path: Path) -> tuple[int, str]:
    """Return how many entries a log has and the digest of the last.

    Raises ServiceError that names the line from which on it is not what was written.
    """
    number, last = 0, START
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ServiceError(str(path), error.strerror or str(error), "check the path") from None
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            whole = entry["before"] == last and entry["number"] == number
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise ServiceError(f"{path}:{number}", "it does not follow from the line before", "the log was changed")
        last = hashlib.sha256(line).hexdigest()
    return number, last


def run(arguments: Sequence[str] | None = None) -> int:
    """Check the logs that are named, tell their last digests, and return the exit status; 2 where one was changed."""
    names = sys.argv[1:] if arguments is None else arguments
    status = 0 if names else EXIT_COULD_NOT_RUN
    for name in names:
        try:
            number, last = verify(Path(name))
            print(f"{name}: {number} entries, last {last}")
        except ServiceError as error:
            print(error, file=sys.stderr)
            status = EXIT_COULD_NOT_RUN
    return status


if __name__ == "__main__":
    sys.exit(run())
