"""A play that may go on without a host that is off does so, and nobody calls that a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.ansible.loading import ANSIBLE

# The first play of backup.yml and of remove.yml, and the role that brings a removed host back to bare.
PLAYBOOK = """\
- name: Look
  hosts: control_plane
  gather_facts: false
  ignore_unreachable: true
  tasks:
    - name: Look at the hosts
      ansible.builtin.include_role: {name: preflight, tasks_from: look.yml}

- name: Bring the hosts back to bare
  hosts: dead
  gather_facts: false
  ignore_unreachable: true
  roles:
    - role: reset

- name: Say what was seen of the other
  hosts: alive
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug: {var: preflight_host.architecture}
"""
# Nothing listens on the port of the one that is dead.
INVENTORY = {
    "control_plane": {
        "hosts": {
            "dead": {"ansible_host": "127.0.0.1", "ansible_port": 9, "network_virtual_address": ""},
            "alive": {"ansible_connection": "local", "network_virtual_address": ""},
        },
        "vars": {"node_role": "control-plane", "ansible_python_interpreter": "/usr/bin/python3"},
    }
}


def run(tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    (tmp_path / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    (tmp_path / "hosts.json").write_text(json.dumps(INVENTORY), encoding="utf-8")
    reading, writing = os.pipe()
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
        "ANSIBLE_LIBRARY": str(ANSIBLE / "library"),
        "ANSIBLE_FILTER_PLUGINS": str(ANSIBLE / "filter_plugins"),
        "ANSIBLE_CALLBACK_PLUGINS": str(ANSIBLE / "callback_plugins"),
        "ANSIBLE_SSH_RETRIES": "0",
        "LC_ALL": "C.UTF-8",
        "PORTOLAN_EVENTS_FD": str(writing),
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    command = [str(program), "-i", str(tmp_path / "hosts.json"), str(tmp_path / "play.yml")]
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, pass_fds=(writing,), timeout=120
    )
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        return done, [json.loads(line) for line in stream]


def test_backup_and_removal_go_on_without_a_host_that_is_off(tmp_path: Path) -> None:
    done, events = run(tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    results = [one for one in events if one["kind"] == "result"]
    assert {one["status"] for one in results if one["host"] == "dead"} <= {"ignored", "ok", "skipped"}
    assert any(one["status"] == "ignored" for one in results)
    assert '"preflight_host.architecture": "' in done.stdout
