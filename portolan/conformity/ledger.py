"""Where evidence is kept: one folder a run, lines that are only ever appended, a digest once the run is complete."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from portolan.conformity.evidence import Judgement
from portolan.errors import PortolanError

EVIDENCE = "evidence.jsonl"
DIGEST = "evidence.jsonl.sha256"


class Ledger:
    """One run's evidence. A run that was killed leaves its lines and no digest.

    `sha256sum --check evidence.jsonl.sha256` in the folder tells whether a line was changed since.
    """

    def __init__(self, directory: Path, header: dict[str, Any]) -> None:
        self.directory = _new_folder(directory, datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ"))
        self._file = (self.directory / EVIDENCE).open("x", encoding="utf-8")
        self._digest = hashlib.sha256()
        self._lock = threading.Lock()
        self._append(header)

    def note(self, judgement: Judgement) -> None:
        """Append one judgement with its evidence."""
        self._append(judgement.model_dump(mode="json"))

    def _append(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n"
        with self._lock:
            try:
                self._file.write(text)
                self._file.flush()
            except OSError as error:
                raise _no_room(self.directory, error) from None
            self._digest.update(text.encode())

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk has been told of when the line was written
            os.fsync(self._file.fileno())
            self._file.close()
        if kind is None:
            (self.directory / DIGEST).write_text(f"{self._digest.hexdigest()}  {EVIDENCE}\n", encoding="utf-8")


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
