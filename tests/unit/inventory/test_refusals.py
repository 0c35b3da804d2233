"""`portolan converge` and `portolan inventory` refuse with one error and exit code 2."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from portolan import paths
from tests.support.sandbox import portolan

SANDBOX = paths.REPOSITORY / "sites" / "sandbox.yaml"
EXISTING = """
name: racks
tier: starter
topology: on-prem
workload: {declarations_per_day: 100}
hosts:
  provider: existing
  nodes: [{name: control-1, role: control-plane, address: 127.0.0.1}]
  ssh: {port: 9}
network: {hosts: 127.0.0.0/24}
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PORTOLAN_STATE", str(tmp_path))
    return tmp_path


def test_hosts_that_were_never_made():
    refused = portolan("converge", SANDBOX)
    assert refused.returncode == 2
    assert "no address yet: control-1, worker-1, worker-2" in refused.stderr
    assert "portolan sandbox up" in refused.stderr


def test_a_host_that_the_site_does_not_have():
    refused = portolan("inventory", SANDBOX, "--host", "worker-9")
    assert refused.returncode == 2
    assert "choose one of: control-1, worker-1, worker-2" in refused.stderr


def test_a_host_that_cannot_be_reached(tmp_path: Path):
    site = tmp_path / "racks.yaml"
    site.write_text(EXISTING, encoding="utf-8")
    refused = portolan("converge", site)
    assert refused.returncode == 2
    assert "control-1: cannot be reached" in refused.stderr
    assert "remedy: see that the host is on" in refused.stderr
    assert not list((tmp_path / "sites" / "racks" / "ssh").glob("control/*"))


def test_another_run_on_the_same_site(tmp_path: Path):
    site = tmp_path / "racks.yaml"
    site.write_text(EXISTING, encoding="utf-8")
    state = tmp_path / "sites" / "racks"
    state.mkdir(parents=True)
    with (state / "converge.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = portolan("converge", site)
    assert refused.returncode == 2
    assert "another run of the playbook works on this site" in refused.stderr


def test_the_inventory_is_one_document_on_standard_output():
    listed = portolan("inventory", SANDBOX, "--list")
    assert listed.returncode == 0
    assert set(json.loads(listed.stdout)["_meta"]["hostvars"]) == {"control-1", "worker-1", "worker-2"}
