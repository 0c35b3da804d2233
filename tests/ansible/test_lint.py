"""The playbooks hold ansible-lint's production profile, and their YAML holds yamllint's rules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portolan import paths

PROGRAMS = Path(sys.executable).parent


@pytest.mark.slow
@pytest.mark.parametrize("command", [["ansible-lint", "--nocolor", "ansible"], ["yamllint", "--strict", "ansible"]])
def test_nothing_is_found(command: list[str]):
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    checked = subprocess.run(
        command, cwd=paths.REPOSITORY, env=environment, check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
