"""One role in check mode on this machine, as a host whose facts the test gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from portolan.paths import REPOSITORY

ANSIBLE = REPOSITORY / "ansible"


def check_role(role: str, folder: Path, host: str, variables: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return ansible-playbook's exit code, and the result of each task by its name. Nothing is changed."""
    play = {"hosts": host, "gather_facts": False, "roles": [role], "vars": dict(variables)}
    (folder / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    noted = folder / "results"
    environment = {
        "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
        "ANSIBLE_LIBRARY": str(ANSIBLE / "library"),
        "ANSIBLE_FILTER_PLUGINS": str(ANSIBLE / "filter_plugins"),
        "ANSIBLE_CALLBACK_PLUGINS": str(REPOSITORY / "tests" / "support" / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "role_results",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_HOME": str(folder / "home"),
        "ROLE_RESULTS": str(noted),
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run(
        [str(program), "--check", "-c", "local", "-i", f"{host},", "play.yml"],
        cwd=folder, check=False, capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip
    assert noted.exists(), done.stdout + done.stderr
    lines = [json.loads(line) for line in noted.read_text(encoding="utf-8").splitlines()]
    return done.returncode, {line["task"].removeprefix(f"{role} : "): line["result"] for line in lines}
