"""Locks of Pulumi's local backend: one file for each running update, which a killed run leaves behind."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.output import people

# The engine ends its awaits and writes its state first; only then is it killed.
STOP_SECONDS = 30.0


class Lock(Model):
    """Who holds a lock, as Pulumi writes it."""

    pid: int
    username: str
    hostname: str
    timestamp: str


def clear_dead_locks(backend_url: str, project: str, stack: str) -> None:
    """Remove the stack's locks whose owners are gone, and say so; do nothing for a backend that is no folder.

    Raises PortolanError where a lock's owner lives, or lives on another host.
    """
    parts = urlsplit(backend_url)
    if parts.scheme != "file":
        return
    directory = Path(parts.path).expanduser() / ".pulumi" / "locks" / "organization" / project / stack
    for file in sorted(directory.glob("*.json")):
        lock = _read(file)
        if lock is None:
            _remove(file)
            continue
        if lock.hostname != socket.gethostname():
            raise PortolanError(
                str(file),
                f"the stack is locked by {lock.username}@{lock.hostname} (process {lock.pid}) since {lock.timestamp}",
                "let that run end; if it is dead, run there: pulumi cancel",
            )
        if is_alive(lock.pid) and is_left_behind(lock.pid):
            people.print(f"ending the run whose command was killed (process {lock.pid}) ...")
            end(lock.pid)
        elif is_alive(lock.pid):
            raise PortolanError(
                str(file),
                f"another run works on the stack: process {lock.pid} of {lock.username} since {lock.timestamp}",
                "let it end, or stop it with Ctrl-C",
            )
        _remove(file)
        owner = f"process {lock.pid}, {lock.timestamp}"
        people.print(f"removed the lock of a run that was killed ({owner}); going on", markup=False, soft_wrap=True)


def is_alive(pid: int) -> bool:
    """Return whether `pid` is a running Pulumi: numbers are given again."""
    try:
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:
        return True
    return b"pulumi" in command


def is_left_behind(pid: int) -> bool:
    """Return whether `pid` is an engine that `portolan` started and that outlived it: nobody follows it any more."""
    try:
        ours = b"--event-log" in Path(f"/proc/{pid}/cmdline").read_bytes()
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        parent = int(status.partition("PPid:")[2].split()[0])
        return ours and (parent == 1 or Path(f"/proc/{parent}/comm").read_text(encoding="utf-8") == "systemd\n")
    except (OSError, ValueError, IndexError):
        return False


def end(pid: int) -> None:
    """Let an engine stop cleanly, its state written, as one Ctrl-C does; kill it where it does not."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number in (signal.SIGINT, signal.SIGKILL):
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], STOP_SECONDS)[0]:
                return
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.with_name(f"{file.name}.attrs").unlink(missing_ok=True)


def _read(file: Path) -> Lock | None:
    try:
        return Lock.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None  # written half: its writer was killed
