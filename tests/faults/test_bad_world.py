"""A world that is not as it must be gets one clear error with its remedy, and exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.faults.conftest import FAULTS_SITE
from tests.support.bare_site import site_like
from tests.support.sandbox import REPOSITORY, portolan

CLOSED = "http://127.0.0.1:9"
NOBODY = 65534


def racked(sandbox, path, key=None, address=None):
    """Write the running site as one whose hosts are in racks: the same addresses, reached the same way."""
    nodes = [
        {
            "name": node.name,
            "role": node.role.value,
            "pool": node.pool.value,
            "address": address or sandbox.addresses[node.name].address,
        }
        for node in sandbox.site.hosts.nodes
    ]
    first = next(iter(sandbox.addresses.values()))
    hosts = {
        "provider": "existing",
        "ssh": {"user": first.user, "port": first.port, "private_key": str(key or first.private_key)},
        "nodes": nodes,
    }
    return site_like(path, sandbox.site_path, name="racked", hosts=hosts)


@pytest.fixture
def state(tmp_path, sandbox):
    """A state of its own, with the running cluster's kubeconfig for the site "racked"."""
    folder = tmp_path / "state"
    (folder / "sites" / "racked").mkdir(parents=True)
    (folder / "sites" / "racked" / "kubeconfig").write_bytes(sandbox.kubeconfig.read_bytes())
    return {"PORTOLAN_STATE": str(folder)}


@pytest.mark.parametrize("command", ["up", "verify", "converge", "size"])
def test_a_wrong_key_in_the_site_file(tmp_path, one_clear_error, command):
    site = site_like(tmp_path / "site.yaml", FAULTS_SITE, hosts__nodse=[])
    said = one_clear_error(command, site)
    assert "nodse" in said
    assert "nodes" in said


def test_the_racked_site_verifies_while_nothing_is_wrong(sandbox, tmp_path, state):
    """The control: what the next tests break works as it is."""
    site = racked(sandbox, tmp_path / "site.yaml")
    done = portolan("verify", site, "--only", "host.swap-off", "-o", "json", env={**os.environ, **state})
    assert done.returncode in (0, 1), done.stderr
    assert {entry["verdict"] for entry in json.loads(done.stdout)["judgements"]} <= {"pass", "fail"}


@pytest.mark.parametrize("command", ["verify", "converge"])
def test_an_ssh_key_that_the_hosts_do_not_know(sandbox, tmp_path, state, one_clear_error, command):
    key = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    said = one_clear_error(command, racked(sandbox, tmp_path / "site.yaml", key=key), environment=state)
    assert "Permission denied" in said
    assert sandbox.workers[0] in said


@pytest.mark.parametrize("command", ["verify", "converge"])
def test_a_host_out_of_reach(sandbox, tmp_path, state, one_clear_error, command):
    unused = str(sandbox.site.network.hosts[-2])
    said = one_clear_error(command, racked(sandbox, tmp_path / "site.yaml", address=unused), environment=state)
    assert unused in said


def test_a_range_that_another_sandbox_has(sandbox, tmp_path, one_clear_error):
    site = site_like(tmp_path / "site.yaml", FAULTS_SITE, name="thief", network__hosts=str(sandbox.site.network.hosts))
    said = one_clear_error("sandbox", "up", site)
    assert str(sandbox.site.network.hosts) in said


def test_not_root(tmp_path, one_clear_error):
    """Nobody, but able to read this interpreter wherever it lies; never able to make a host."""
    command = [
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
        *(
            "--inh-caps=-all,+dac_read_search",
            "--ambient-caps=-all,+dac_read_search",
            "--bounding-set=-all,+dac_read_search",
        ),
        *(sys.executable, "-c", "from portolan.cli import run; run()", "up", str(FAULTS_SITE)),
    ]
    tmp_path.chmod(0o777)
    environment = {**os.environ, "HOME": str(tmp_path), "PORTOLAN_STATE": str(tmp_path / "state")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=environment, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert "root" in done.stderr
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("up",), ("sandbox", "up")])
def test_a_full_disk_for_the_state(tmp_path, tiny_disk, one_clear_error, command):
    site = site_like(tmp_path / "site.yaml", FAULTS_SITE, name="starved", network__hosts="10.88.7.0/24")
    said = one_clear_error(*command, site, environment={"PORTOLAN_STATE": str(tiny_disk)})
    assert "disk" in said


def test_a_full_disk_for_the_caches(tiny_disk, one_clear_error):
    said = one_clear_error("bundle", "build", environment={"PORTOLAN_CACHE": str(tiny_disk)})
    assert "disk" in said or "space" in said


def test_a_full_disk_for_the_evidence(sandbox, tiny_disk, one_clear_error):
    (tiny_disk / "filler").write_bytes(b"x" * (6 << 20))
    while True:
        try:
            with (tiny_disk / "filler").open("ab") as file:
                file.write(b"x" * 4096)
        except OSError:
            break
    said = one_clear_error("verify", sandbox.site_path, "--only", "host.swap-off", "--evidence", tiny_disk / "evidence")
    assert "No space left" in said


def test_registries_that_refuse(tmp_path, one_clear_error):
    """Nothing can be fetched: every proxy and mirror leads to a closed port."""
    refused = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), CLOSED)
    refused |= {"GOPROXY": CLOSED, "GOFLAGS": "-mod=mod", "UV_INDEX_URL": CLOSED, "PIP_INDEX_URL": CLOSED}
    refused |= {"no_proxy": "", "NO_PROXY": "", "PORTOLAN_CACHE": str(tmp_path / "cache")}
    begin = time.monotonic()
    said = one_clear_error("bundle", "build", environment=refused)
    assert time.monotonic() - begin < 120
    assert "remedy" in said
