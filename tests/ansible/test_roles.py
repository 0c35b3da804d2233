"""Every role says what it takes, names what it does, and calls modules by their full names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portolan import paths
from tests.ansible.loading import ANSIBLE

ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir() if path.is_dir())
OWN_MODULES = {path.stem for path in (ANSIBLE / "library").glob("*.py")}
TASK_KEYWORDS = {
    "always", "become", "block", "changed_when", "check_mode", "delay", "delegate_to", "environment", "failed_when",
    "listen", "loop", "loop_control", "name", "no_log", "notify", "register", "rescue", "retries", "run_once", "tags",
    "throttle", "until", "vars", "when",
}  # fmt: skip


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def task_files() -> list[Path]:
    return sorted(ANSIBLE.glob("roles/*/tasks/*.yml")) + sorted(ANSIBLE.glob("roles/*/handlers/*.yml"))


def tasks(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        found.append(entry)
        for part in ("block", "rescue", "always"):
            found += tasks(entry.get(part, []))
    return found


def test_the_roles_of_a_node_are_all_there():
    wanted = {"preflight", "os", "containerd", "images", "kubernetes", "control_plane", "worker", "cni", "storage"}
    assert wanted <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_every_default_of_a_role_is_specified_and_carries_its_name(role: str):
    options = read(ANSIBLE / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get(
        "options", {}
    )
    defaults = read(ANSIBLE / "roles" / role / "defaults" / "main.yml") or {}
    assert set(defaults) <= set(options)
    assert all(name.startswith(f"{role}_") for name in options)
    assert all(option.get("description") for option in options.values())


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_described_in_the_reference(role: str):
    assert f"`{role}`" in (paths.REPOSITORY / "docs" / "reference" / "roles.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", task_files(), ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}-{path.stem}")
def test_tasks_are_named_and_call_modules_by_full_name(path: Path):
    for task in tasks(read(path)):
        assert task.get("name"), f"a task without a name: {task}"
        modules = set(task) - TASK_KEYWORDS
        for module in modules:
            assert module in OWN_MODULES or re.fullmatch(r"ansible\.builtin\.\w+", module), module
        assert not modules & {"ansible.builtin.shell", "ansible.builtin.raw"}


@pytest.mark.parametrize("path", task_files(), ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}-{path.stem}")
def test_what_handles_secrets_keeps_them_out_of_the_log(path: Path):
    for task in tasks(read(path)):
        text = str({key: value for key, value in task.items() if key not in ("name", "when", "block", "vars")})
        if re.search(r"token create|token delete|admin\.conf.*slurp|etcd-encryption-key|upload-certs", text):
            assert task.get("no_log") is True, task["name"]


@pytest.mark.parametrize("playbook", ["site.yml", "reset.yml"])
def test_the_playbooks_can_be_read(playbook: str, tmp_path: Path):
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path),
        "PORTOLAN_STATE": str(tmp_path),
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    checked = subprocess.run(
        [str(program), "--syntax-check", str(ANSIBLE / playbook)],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
