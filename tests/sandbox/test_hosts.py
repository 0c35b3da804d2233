"""What `portolan sandbox up` makes: real hosts that are their own, and that reach nothing but each other."""

from __future__ import annotations

import json
import subprocess
from ipaddress import ip_network
from pathlib import Path

import pytest

from portolan.sandbox import names

pytestmark = pytest.mark.sandbox

HOSTS = ("control-1", "worker-1")


@pytest.fixture(scope="module")
def one(trial):
    made = trial("spec-one", "10.91.11.0/24", workers=1)
    made.up()
    yield made
    made.down()
    assert made.traces() == []


@pytest.fixture(scope="module")
def document(one):
    return json.loads((one.state / "hosts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_debian_with_an_operator_who_is_not_root(one, host):
    said = one.on(host, "cat /etc/hostname; id -un; sudo -n id -un; ps -p 1 -o comm=; . /etc/os-release; echo $ID")
    assert said.split() == [host, "portolan", "root", "systemd", "debian"]


def test_hosts_differ_in_machine_id_and_key(one):
    identities = {one.on(host, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub") for host in HOSTS}
    assert len(identities) == len(HOSTS)


def test_a_host_manages_control_groups_and_sees_only_its_own(one):
    script = """
        for point in $(awk '/ - cgroup /{print $5}' /proc/self/mountinfo); do
          sudo mkdir $point/trial && sudo rmdir $point/trial || exit 1
        done
        find /sys/fs/cgroup -name 'portolan-*' | wc -l
    """
    assert one.on("worker-1", script) == "0"


def test_container_and_kubelet_data_lie_on_no_overlay(one):
    said = one.on("worker-1", "stat -f -c %T / /var/lib/containerd /var/lib/kubelet").split()
    assert said[0] == "overlayfs"
    assert "overlayfs" not in said[1:]


def test_the_bundle_is_there_and_cannot_be_changed(one, document):
    path = document["hosts"][0]["facts"]["portolan_bundle_path"]
    command = f"sudo test -f {path}/roots/host.tar && ! sudo touch {path}/x 2>/dev/null && echo ok"
    assert one.on("worker-1", command) == "ok"


def test_hosts_reach_each_other_by_address(one, document):
    for host in document["hosts"]:
        assert one.on("control-1", f"timeout 5 bash -c 'exec 3<>/dev/tcp/{host['address']}/22; head -c4 <&3'") == "SSH-"


def test_nothing_but_hosts_and_gateway_is_reached(one):
    """Not the machine's other addresses, nor its neighbours, nor what lies behind its routes."""
    addresses = json.loads(subprocess.run(["ip", "-j", "-4", "addr"], capture_output=True, check=True).stdout)
    others = [
        (address["local"], network)
        for link in addresses
        for address in link["addr_info"]
        if link["ifname"] != "lo" and not address["local"].startswith("10.91.11.")
        for network in [ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)]
    ]
    assert others, "a machine without any other address proves nothing"
    targets = [local for local, _ in others[:2]] + [str(network[-2]) for _, network in others[:1]] + ["198.51.100.7"]
    script = "".join(f"timeout 1 bash -c '</dev/tcp/{target}/22' 2>/dev/null && echo {target}\n" for target in targets)
    assert one.on("worker-1", f"ping -c1 -W1 10.91.11.1 >/dev/null && echo gateway\n{script}true") == "gateway"


def test_the_listing_tells_state_use_and_what_is_simulated(one):
    rows = json.loads(one.run("list", "-o", "json").stdout)["hosts"]
    assert [(row["host"], row["state"]) for row in rows] == [(host, "running") for host in HOSTS]
    assert all(row["memory_bytes"] > 2**20 and row["cpu_seconds"] > 0 for row in rows)
    assert rows[1]["simulated_accelerators"] == {"nvidia.com/gpu": 4}
    assert "4 nvidia.com/gpu (simulated)" in one.run("list").stdout


def test_the_journal_of_a_unit_is_printed(one):
    done = one.run("logs", "worker-1", "--unit", "ssh")
    assert done.returncode == 0
    assert "Server listening" in done.stdout


def test_a_command_on_a_host_hands_on_its_words_and_its_exit_status(one):
    done = one.run("shell", "worker-1", "--", "hostname; exit 7")
    assert (done.stdout, done.returncode) == ("worker-1\n", 7)


def test_secrets_are_readable_by_their_owner_alone(one, document):
    assert Path(document["hosts"][0]["private_key"]).stat().st_mode & 0o77 == 0
    assert one.state.stat().st_mode & 0o77 == 0


def test_a_second_up_changes_nothing(one):
    def world():
        identity = names.identity(one.name)
        command = f"ip -o addr | grep {identity}; iptables -w -S | grep {identity}"
        text = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
        files = {path: path.stat().st_mtime_ns for path in one.state.rglob("*") if "hosts" not in path.parts[:-1]}
        return text, one.supervisors(), files

    before = world()
    assert "nothing to do" in one.run("up", "--dry-run").stderr
    said = one.up()
    assert world() == before
    assert said.count("already") == len(HOSTS)


def test_a_host_whose_supervisor_was_killed_is_started_anew_with_its_disk(one):
    one.on("worker-1", "echo kept | sudo tee /etc/portolan-kept; cat /etc/machine-id; sync")
    identity = one.on("worker-1", "cat /etc/machine-id")
    before = one.supervisors()
    subprocess.run(["kill", "-9", str(before["worker-1"])], check=True)
    one.up()
    after = one.supervisors()
    assert after["control-1"] == before["control-1"]
    assert after["worker-1"] != before["worker-1"]
    assert one.on("worker-1", "cat /etc/portolan-kept /etc/machine-id").split() == ["kept", identity]


def test_a_bridge_that_somebody_deleted_is_made_again_under_running_hosts(one, document):
    before = one.supervisors()
    subprocess.run(["ip", "link", "delete", document["bridge"]], check=True)
    one.up()
    assert one.supervisors() == before


def test_hosts_that_were_powered_off_start_again_with_their_disks(one):
    identity = one.on("worker-1", "cat /etc/machine-id")
    assert one.run("down", "--keep-disks").returncode == 0
    assert one.traces() == []
    journal = "journalctl --boot=-1 --no-pager --unit=systemd-journald"
    one.up()
    assert one.on("worker-1", "cat /etc/machine-id") == identity
    assert "Journal stopped" in one.on("worker-1", f"sudo {journal}")  # an orderly end, no power cut


def test_one_host_is_taken_down_alone_and_made_anew(one):
    identity, before = one.on("worker-1", "cat /etc/machine-id"), one.supervisors()
    assert one.run("down", "--host", "worker-1").returncode == 0
    assert one.supervisors() == {"control-1": before["control-1"]}
    one.up()
    assert one.supervisors()["control-1"] == before["control-1"]
    assert one.on("worker-1", "cat /etc/machine-id") != identity


def test_two_sandboxes_stand_side_by_side_and_do_not_reach_each_other(one, trial):
    two = trial("spec-two", "10.91.12.0/24")
    try:
        two.up()
        rows = json.loads((two.state / "hosts.json").read_text(encoding="utf-8"))["hosts"]
        assert [row["address"] for row in rows] == ["10.91.12.10"]
        assert one.on("worker-1", "timeout 1 bash -c '</dev/tcp/10.91.12.10/22' 2>/dev/null || echo no way") == "no way"
        before = one.supervisors()

        two.write("10.91.12.0/24", workers=1)
        said = two.up()
        assert "control-1 10.91.12.10 is running already" in said
        assert two.on("worker-1", "hostname") == "worker-1"

        two.down()
        assert two.traces() == []
        assert not (two.state / "hosts").exists()
        assert one.supervisors() == before
        assert one.on("worker-1", "echo here") == "here"
    finally:
        two.down()
