"""Where evidence is kept: one folder a run, lines that are chained, a digest and a signature when it is complete."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from portolan.conformity.evidence import Judgement
from portolan.errors import PortolanError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

EVIDENCE = "evidence.jsonl"
DIGEST = "evidence.jsonl.sha256"
SIGNATURE = "evidence.jsonl.signature.json"
SCHEMA_VERSION = 2
RESUMED = "resumed"  # the key of the line that says that a stopped run goes on from here
BEGINNING = "0" * 64  # what the first line's `previous` says


class Ledger:
    """One run's evidence. A run that was killed leaves its lines, and neither digest nor signature.

    Each line holds the digest of the line before it, so none can be taken out; the signature is over the whole file.
    `sha256sum --check evidence.jsonl.sha256` in the folder tells whether a line was changed since.
    """

    def __init__(
        self,
        directory: Path,
        header: dict[str, Any],
        key: Ed25519PrivateKey | None = None,
        stopped: Path | None = None,
    ) -> None:
        self._digest = hashlib.sha256()
        self._previous = BEGINNING
        self._lines = 0
        self._key = key
        self._began = time.monotonic()
        self._lock = threading.Lock()
        if stopped is None:
            self.directory = _new_folder(directory, datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ"))
            self._file = (self.directory / EVIDENCE).open("x", encoding="utf-8")
            self._append({"schema_version": SCHEMA_VERSION, **header})
        else:
            self.directory = stopped
            self._go_on(header)

    def _go_on(self, header: dict[str, Any]) -> None:
        """Take up the lines of a run that was stopped; the seconds since its beginning go on by the clock."""
        for line in (self.directory / EVIDENCE).read_bytes().splitlines(keepends=True):
            self._digest.update(line)
            self._previous = hashlib.sha256(line).hexdigest()
            self._lines += 1
        now = datetime.now(UTC)
        self._began -= (now - datetime.fromisoformat(str(header["time"]))).total_seconds()
        self._file = (self.directory / EVIDENCE).open("a", encoding="utf-8")
        self._append({RESUMED: now.isoformat(timespec="seconds").replace("+00:00", "Z")})

    def note(self, judgement: Judgement) -> None:
        """Append one judgement with its evidence."""
        self._append(judgement.model_dump(mode="json"))

    def _append(self, line: dict[str, Any]) -> None:
        with self._lock:
            whole = {**line, "previous": self._previous, "elapsed_seconds": round(time.monotonic() - self._began, 3)}
            text = json.dumps(whole, ensure_ascii=False, sort_keys=True) + "\n"
            try:
                self._file.write(text)
                self._file.flush()
            except OSError as error:
                raise _no_room(self.directory, error) from None
            self._digest.update(text.encode())
            self._previous = hashlib.sha256(text.encode()).hexdigest()
            self._lines += 1

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk has been told of when the line was written
            os.fsync(self._file.fileno())
            self._file.close()
        if kind is None:
            digest = self._digest.hexdigest()
            (self.directory / DIGEST).write_text(f"{digest}  {EVIDENCE}\n", encoding="utf-8")
            if self._key is not None:
                self._sign(self._key, digest)

    def _sign(self, key: Ed25519PrivateKey, digest: str) -> None:
        from portolan.conformity.signing import public_text, sign

        document = {
            "algorithm": "Ed25519 over the SHA-256 digest of the file, as 64 hexadecimal digits",
            "lines": self._lines,
            "sha256": digest,
            "public_key": public_text(key.public_key()),
            "signature": sign(key, digest.encode()),
        }
        (self.directory / SIGNATURE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _new_folder(parent: Path, name: str) -> Path:
    for number in range(1000):
        folder = parent / (name if number == 0 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise _no_room(folder, error) from None
        return folder
    raise PortolanError(str(parent), "a thousand runs began within this second", "give another folder with --evidence")


def _no_room(folder: Path, error: OSError) -> PortolanError:
    what = f"evidence cannot be kept there: {error.strerror}"
    return PortolanError(str(folder), what, "free some disk space, or give another folder with --evidence")
