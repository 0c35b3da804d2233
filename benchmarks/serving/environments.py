"""Python environments of their own for programs whose dependencies are not this kit's, from locks with hashes.

`environments/NAME.in` says what is asked for, and `environments/NAME.lock` is what
`uv pip compile NAME.in --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate
--no-header -o NAME.lock` made of it.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.output import people

FOLDER = Path(__file__).resolve().parent / "environments"


def interpreter(name: str) -> Path:
    """Return the Python of an environment in the cache, made of its lock where it is not there yet.

    Raises PortolanError where its packages cannot be had.
    """
    lock = FOLDER / f"{name}.lock"
    folder = paths.cache() / "environments" / f"{name}-{sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.making").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two that ask at once make it once
        if not (folder / "complete").exists():
            people.print(
                f"making an environment for {name} in {folder} (once; its packages come from the package index)"
            )
            _make(name, folder, lock)
    return python


def _make(name: str, folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = next(iter(sorted((paths.cache() / "tools").glob("uv-*/bin/uv"), reverse=True)), None)
    if uv is None:
        steps = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
        ]
    else:
        python = str(folder / "bin" / "python")
        steps = [
            [str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)],
            [str(uv), "pip", "sync", "--quiet", "--python", python, "--require-hashes", str(lock)],
        ]
    for step in steps:
        made = subprocess.run(step, capture_output=True, text=True, check=False)
        if made.returncode:
            reason = (made.stderr.strip().splitlines() or ["it could not be made"])[-1]
            raise PortolanError(f"environment {name}", reason, f"make what {lock.name} lists available and run again")
    (folder / "complete").touch()
