"""Where a sandbox keeps its files: the site's state, the shared cache, and one record a site under /run.

The record under /run lives exactly as long as what it tells of (processes, bridges, control groups): until the
machine is started again. It lets `down` find a sandbox whose state lies elsewhere or is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.files import write_atomically

RUN = Path("/run/portolan")


class SitePlaces:
    """The paths of one site's sandbox below its state directory."""

    def __init__(self, site: str, state: Path | None = None) -> None:
        self.site = site
        self.state = state or paths.site_state(site)
        self.hosts = self.state / "hosts"
        self.hosts_document = self.state / "hosts.json"
        self.secure_shell = self.state / "ssh"
        self.logs = self.state / "logs"

    def host(self, name: str) -> Path:
        """Return the directory of one host: its record, layers and volumes."""
        return self.hosts / name

    def console_log(self, name: str) -> Path:
        """Return the file that holds what a host printed on its console."""
        return self.logs / f"{name}.console.log"


def roots_cache() -> Path:
    """Return the directory of unpacked host roots, one a content, shared by all sandboxes."""
    return paths.cache() / "sandbox" / "roots"


def bundle() -> Path:
    """Return the bundle's directory, bound read-only into every host."""
    return paths.cache() / "bundle"


def write_if_changed(path: Path, content: str, mode: int = 0o644) -> bool:
    """Write a file in one step, unless it has this content and mode already; return whether it changed."""
    if path.is_file() and not path.is_symlink() and path.read_text(encoding="utf-8", errors="replace") == content:
        if path.stat().st_mode & 0o7777 != mode:
            path.chmod(mode)
        return False
    write_atomically(path, content, mode)
    return True


def registered() -> dict[str, Path]:
    """Return the sites whose sandboxes were made since the machine's start, each with its state directory."""
    found = {}
    for file in sorted(RUN.glob("*.json")):
        try:
            found[file.stem] = Path(json.loads(file.read_text(encoding="utf-8"))["state"])
        except (ValueError, KeyError, OSError):  # half-written by a killed writer of another version: by name only
            found[file.stem] = paths.site_state(file.stem)
    return found


def register(places: SitePlaces) -> None:
    """Record under /run where the site's state lies."""
    write_if_changed(RUN / f"{places.site}.json", json.dumps({"state": str(places.state)}) + "\n")


def unregister(site: str) -> None:
    """Forget the site's record under /run."""
    (RUN / f"{site}.json").unlink(missing_ok=True)


@contextmanager
def alone(site: str) -> Iterator[None]:
    """Hold the site's lock; the kernel gives it back when this process ends, however it ends.

    Raises PortolanError where another command is at work on the same site.
    """
    RUN.mkdir(parents=True, exist_ok=True)
    path = RUN / f"{site}.lock"
    while True:
        with path.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise PortolanError(
                    f"sandbox {site}",
                    f"another command (process {file.read().strip() or 'unknown'}) is at work on it",
                    "wait until it ends, or end it, then run this again",
                ) from None
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue  # its last holder removed it between our open and our lock
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
