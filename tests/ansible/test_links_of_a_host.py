"""Further links on a real host: made beside the one that it is reached over, and taken back where they do not come up.

The links are pairs of virtual ones. This kernel may know no bonds: then the host takes the change back, which is shown.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portolan import paths
from portolan.sandbox import lifecycle
from tests.support.sandbox import portolan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

NAME, HOST = "links", "control-1"
# Two pairs of virtual links; and systemd-networkd shall not wait for udev, which a sandbox host does not run.
EQUIP = """
for n in 2 3; do ip link add ens$n type veth peer name far$n; ip link set far$n up; done
mkdir -p /etc/systemd/system/systemd-networkd.service.d
printf '[Service]\\nReadOnlyPaths=/sys\\n' > /etc/systemd/system/systemd-networkd.service.d/sandbox.conf
systemctl daemon-reload
"""
LARGE = {"name": "ens2", "mtu_bytes": 9000, "addresses": ["10.40.0.12/24"]}
BOND = {"name": "bond0", "members": ["ens2", "ens3"], "mtu_bytes": 9000}


@dataclass(frozen=True)
class Linked:
    """A bare host, and its site file written anew for each test."""

    path: Path

    def want(self, *links: dict[str, Any], **network: Any) -> None:
        site = YAML(typ="safe").load((paths.REPOSITORY / "sites/sandbox.yaml").read_text(encoding="utf-8"))
        site |= {"name": NAME, "network": {**site["network"], "hosts": "10.95.9.0/24", **network}}
        site["hosts"]["nodes"] = [{"name": HOST, "role": "control-plane", "links": list(links)}]
        self.path.write_text(json.dumps(site), encoding="utf-8")  # JSON is YAML

    def on(self, script: str) -> str:
        done = portolan("sandbox", "shell", self.path, HOST, "--", "sudo", "sh", "-c", script)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def converge(self, *arguments: str) -> tuple[int, list[str], str]:
        done = portolan("converge", self.path, "--tags", "network", "-o", "json", *arguments, timeout_seconds=600)
        changed = json.loads(done.stdout)["changed"] if done.returncode == 0 else []
        return done.returncode, [one["task"] for one in changed], done.stderr

    def link(self, name: str) -> dict[str, Any]:
        (found,) = json.loads(self.on(f"ip -json address show {name}"))
        return found


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linked]:
    folder = tmp_path_factory.mktemp(NAME)
    made = Linked(folder / "site.yaml")
    made.want()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTOLAN_STATE", str(folder / "state"))
        lifecycle.down(NAME, any_state=True)
        up = portolan("sandbox", "up", made.path)
        assert up.returncode == 0, up.stderr
        try:
            made.on(EQUIP)
            yield made
        finally:
            lifecycle.down(NAME, any_state=True)


def test_a_link_gets_large_frames_and_an_address_and_the_second_run_changes_nothing(host: Linked):
    own = host.link("host0")
    host.want(LARGE)
    code, changed, said = host.converge("--check")
    assert code == 0, said
    assert changed == ["Have the program that takes a change back", "Write the links' files"]
    code, changed, said = host.converge()
    assert code == 0, said
    assert "Write the links' files" in changed
    link = host.link("ens2")
    assert link["mtu"] == 9000
    assert [one["local"] for one in link["addr_info"] if one["family"] == "inet"] == ["10.40.0.12"]
    assert host.link("host0")["addr_info"] == own["addr_info"]
    code, changed, said = host.converge()
    assert (code, changed) == (0, []), said
    assert "portolan-links-guard" not in host.on("systemctl list-units --all --no-legend --plain")


def test_a_link_that_is_changed_by_hand_is_mended(host: Linked):
    host.want(LARGE)
    host.converge()
    host.on("ip link set ens2 mtu 1500")
    assert host.converge()[0] == 0
    assert host.link("ens2")["mtu"] == 9000


def test_a_link_that_is_not_wanted_any_more_loses_its_files(host: Linked):
    host.want(LARGE)
    host.converge()
    host.want({"name": "ens3", "mtu_bytes": 4000})
    assert host.converge()[0] == 0
    assert "ens2" not in host.on("ls /etc/systemd/network")
    assert host.link("ens3")["mtu"] == 4000


def test_the_link_that_the_host_is_reached_over_is_refused_with_nothing_changed(host: Linked):
    before = host.on("ls -la --time-style=full-iso /etc/systemd/network")
    host.want({"name": "host0", "mtu_bytes": 9000})
    code, _, said = host.converge()
    assert code == 2
    assert "link host0 of control-1 carries the connection" in said
    assert host.on("ls -la --time-style=full-iso /etc/systemd/network") == before
    assert host.link("host0")["mtu"] == 1500


def test_links_that_do_not_come_up_are_taken_back_by_the_host(host: Linked):
    if "yes" in host.on("ip link add trial type bond 2>/dev/null && ip link delete trial && echo yes || echo no"):
        pytest.skip("not measured: this kernel has bonds, and these would come up")
    host.want({"name": "ens3", "mtu_bytes": 4000})
    assert host.converge()[0] == 0
    before = host.on("cat /etc/systemd/network/0*")
    host.want(BOND)
    code, _, said = host.converge()
    assert code == 2
    assert "there is no link bond0" in said
    assert host.on("cat /etc/systemd/network/0*") == before
    assert host.link("ens3")["mtu"] == 4000
    assert host.link("host0")["addr_info"]


def test_a_host_without_an_rdma_adapter_is_left_out_and_the_run_says_so(host: Linked):
    if host.on("ls /sys/class/infiniband 2>/dev/null | wc -l").strip() != "0":
        pytest.skip("not measured: this machine has an adapter, which its hosts see")
    host.want(LARGE)
    assert host.converge()[0] == 0
    own = host.link("host0")["addr_info"]
    host.want(rdma={"interfaces": ["ib0"]})
    code, changed, said = host.converge()
    assert code == 0, said
    assert host.link("host0")["addr_info"] == own  # also when no link of the site file is left
    assert "Install the libraries and tools of the distribution" not in changed
    log = sorted((paths.site_state(NAME) / "logs").glob("*"))[-1].read_text(encoding="utf-8")
    assert "no adapter with remote memory access (RDMA) is there" in log


def test_a_host_that_goes_back_to_bare_loses_its_links_and_is_reached_as_before(host: Linked):
    host.want(LARGE)
    assert host.converge()[0] == 0
    own = host.link("host0")["addr_info"]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "reset.yml", "--extra-vars", f"confirm={NAME}"],
        cwd=paths.REPOSITORY / "ansible", env={**os.environ, "PORTOLAN_SITE": str(host.path)},
        check=False, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert host.on("find /etc/systemd/network /usr/local/lib /etc/sysctl.d -name '*portolan*'") == ""
    assert not [one for one in host.link("ens2")["addr_info"] if one["family"] == "inet"]
    assert host.on("systemctl is-enabled systemd-networkd || true") == "disabled\n"
    assert host.link("host0")["addr_info"] == own
