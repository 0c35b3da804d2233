"""Run one command of the machine; a failure becomes one clear error."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence

from portolan.errors import PortolanError


def run(arguments: Sequence[str], *, remedy: str, text: str | None = None, timeout_seconds: float = 60) -> str:
    """Run a command to its end and return its standard output.

    Raises PortolanError, with the command's own words and `remedy`, where it fails, is missing or hangs.
    """
    where = shlex.join(arguments[:8])
    try:
        done = subprocess.run(
            arguments,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise PortolanError(where, f"the command {arguments[0]} is not installed", remedy) from error
    except subprocess.TimeoutExpired as error:
        raise PortolanError(where, f"did not end within {timeout_seconds:g} s", remedy) from error
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}")[-2000:]
        raise PortolanError(where, words, remedy)
    return done.stdout
