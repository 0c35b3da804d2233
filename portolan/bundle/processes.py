"""Running other programs: niced, logged to a file, ended with this process, and with one clear error."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from portolan.errors import PortolanError

DISK_FULL = "No space left on device"
LINE_CHARACTERS = 300
_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()


def stop_all() -> None:
    """End every program that `run` has started and that still runs, so that a failed build ends at once."""
    with _guard:
        for process in _running:
            process.terminate()


def require_tool(name: str, package: str) -> str:
    """Return the path of a program.

    Raises PortolanError with the Debian package that has it where it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise PortolanError(name, "is not installed", f"apt-get install {package}")
    return found


def run(
    argv: Sequence[str],
    *,
    log: Path,
    where: str,
    remedy: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program, append its output to `log`, and return its standard output.

    Raises PortolanError with the last lines of its output where it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # setpriv ends the program when this process is killed, so nothing goes on behind a dead build.
    command = ["setpriv", "--pdeathsig", "TERM", "--", "nice", "-n", "5", *argv]
    with log.open("ab") as errors:
        errors.write(f"$ {' '.join(argv)}\n".encode())
        errors.flush()
        begin = errors.tell()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        with _guard:
            _running.add(process)
        try:
            stdout, _ = process.communicate()
        finally:
            with _guard:
                _running.discard(process)
        errors.write(stdout)
    output = stdout.decode(errors="replace")
    if process.returncode != 0:
        with log.open("rb") as stream:
            stream.seek(begin)
            said = stream.read().decode(errors="replace")
        raise PortolanError(where, failure(argv[0], process.returncode, said), failure_remedy(said, remedy, log))
    return output


def failure(program: str, code: int, output: str) -> str:
    """Say in a few lines why a program failed."""
    if DISK_FULL in output:
        return "the disk is full"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"{Path(program).name} ended with {code}: " + " | ".join(line[:LINE_CHARACTERS] for line in lines[-3:])


def failure_remedy(output: str, remedy: str, log: Path) -> str:
    """Say what to do about it."""
    if DISK_FULL in output:
        return "free some disk space (PORTOLAN_CACHE may name another disk) and run the same command again"
    return f"{remedy}; the whole output is in {log}"
