"""`portolan verify` where it cannot run: one clear error with its remedy, exit code 2, nothing on standard output."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.support.sandbox import portolan

SITE = """
name: elsewhere
tier: starter
topology: on-prem
workload: {{declarations_per_day: 100}}
hosts:
  provider: existing
  ssh: {{user: operator, port: {port}, private_key: {key}}}
  nodes:
    - {{name: control-1, role: control-plane, address: 127.0.0.1}}
network: {{hosts: 127.0.0.0/8}}
"""


@pytest.fixture
def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]  # bound and not listening: nobody else can take it, every connection is refused


@pytest.fixture
def site(tmp_path, closed_port):
    key = tmp_path / "key"
    key.write_text("no key")
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(port=closed_port, key=key))
    return path


def run(site: Path, *arguments: str, state: Path):
    done = portolan("verify", site, *arguments, timeout_seconds=60, env={**os.environ, "PORTOLAN_STATE": str(state)})
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "remedy:" in done.stderr
    return done.stderr


def with_kubeconfig(state: Path):
    path = state / "sites" / "elsewhere" / "kubeconfig"
    path.parent.mkdir(parents=True)
    path.write_text("apiVersion: v1\nkind: Config\n")


def test_no_site_file(tmp_path):
    assert "no such site file" in run(tmp_path / "missing.yaml", state=tmp_path)


def test_no_cluster_yet(site, tmp_path):
    assert "has no cluster yet" in run(site, state=tmp_path)


def test_a_host_out_of_reach(site, tmp_path):
    with_kubeconfig(tmp_path)
    said = run(site, state=tmp_path)
    assert "host control-1" in said
    assert "refused" in said


def test_hosts_of_a_sandbox_that_was_never_brought_up(site, tmp_path):
    text = site.read_text().replace("provider: existing", "provider: sandbox").replace(", address: 127.0.0.1", "")
    site.write_text(text)
    assert "does not exist yet" in run(site, state=tmp_path)


def test_no_check_of_that_name(site, tmp_path):
    assert "no target whose check matches 'host.smell'" in run(site, "--only", "host.smell", state=tmp_path)
