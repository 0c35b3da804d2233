"""One run of the playbook at a time on a site; what a killed run left behind is ended first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from portolan.errors import PortolanError
from portolan.output import people

ORPHAN_SECONDS = 20.0
POLITE_SECONDS = 5.0


def holders(path: Path) -> set[int]:
    """Return the other processes that have the lock file open: the owner of a run, its Ansible and its workers."""
    found = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile
            if any(descriptor.readlink() == path for descriptor in (process / "fd").iterdir()):
                found.add(int(process.name))
    return found


@contextlib.contextmanager
def alone(state: Path) -> Iterator[int]:
    """Hold the site's lock and yield its descriptor, which Ansible inherits.

    Raises PortolanError where another run is alive. A run that was killed cannot tell its Ansible to end: processes
    of it that still hold the lock are ended here.
    """
    path = state.resolve() / "converge.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(descriptor):
            owner = _owner(path)
            if owner is None or owner in holders(path):  # one that did not note itself yet is alive
                named = f" (process {owner})" if owner else ""
                raise PortolanError(
                    str(path),
                    f"another run of the playbook{named} works on this site",
                    "wait until it has ended, then run it again",
                )
            _end_orphans(path, descriptor)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield descriptor
        os.truncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(path: Path) -> int | None:
    """Return the process that began the run, None where none is noted."""
    try:
        return int(path.read_text(encoding="ascii"))
    except ValueError:
        return None


def _end_orphans(path: Path, descriptor: int) -> None:
    begin = time.monotonic()
    people.print("  ending what a killed run of the playbook left", markup=False)
    while not _locked(descriptor):
        waited = time.monotonic() - begin
        left = holders(path)
        if waited > ORPHAN_SECONDS:
            raise PortolanError(
                str(path),
                f"processes of a killed run do not end: {', '.join(map(str, sorted(left)))}",
                "end them, then run it again",
            )
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM if waited < POLITE_SECONDS else signal.SIGKILL)
        time.sleep(0.3)
