"""What the fault tests share: a site of their own, a disk that fills up, and one way to look at an error."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.sandbox import REPOSITORY, portolan

FAULTS_SITE = REPOSITORY / "tests" / "support" / "sites" / "faults.yaml"
TINY_DISK_BYTES = 8 << 20
ERROR_SECONDS = 120  # an error that takes longer is no clear one


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted file system of 8 MiB."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(TINY_DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def one_clear_error() -> Callable[..., str]:
    """Run a command that must refuse: exit code 2, one error with its remedy, nothing on standard output."""

    def refused(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
        done = portolan(*arguments, timeout_seconds=ERROR_SECONDS, env={**os.environ, **(environment or {})})
        assert done.returncode == 2, f"exit code {done.returncode}: {done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
        assert done.stderr.count("error:") == 1, done.stderr
        assert done.stderr.count("remedy:") == 1, done.stderr
        assert done.stdout == ""
        return done.stderr

    return refused
