"""Files that are whole or absent, and secret ones that nobody else can read."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from portolan.errors import PortolanError


def write_atomically(path: Path, content: str, mode: int = 0o600) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Raises PortolanError where the disk is full or the directory cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(mode)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        remedy = "free some disk space" if error.errno == errno.ENOSPC else "check the directory's owner and mode"
        raise PortolanError(str(path), f"cannot be written: {error.strerror}", f"{remedy}, then run again") from error
