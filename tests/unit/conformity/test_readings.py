"""What hosts and cluster print, and what is read from it. A check that cannot measure says so."""

from __future__ import annotations

import json

import pytest

from portolan.conformity import cluster, hosts
from portolan.conformity.check import Reading


def nftables(*chains):
    return json.dumps({"nftables": [{"metainfo": {}}, *({"chain": chain} for chain in chains)]})


def test_disk_counts_each_device_once_and_no_memory_file_system():
    output = """Filesystem      1B-blocks
/dev/sda2     500000000000
tmpfs           8000000000
/dev/sda2     500000000000
/dev/nvme0n1 2000000000000
"""
    reading = hosts.read_disk(output)
    assert reading.value == 2.5e12
    assert reading.detail == "/dev/nvme0n1, /dev/sda2"


def test_memory_is_given_in_bytes():
    assert hosts.read_memory("24689020\n").value == 24689020 * 1024


@pytest.mark.parametrize("output", ["", "many\n", "-1"])
def test_no_number_is_no_measurement(output):
    assert hosts.read_number(output).value is None
    assert hosts.read_number(output).reason_not_measured
    assert hosts.read_memory(output).value is None


def test_hosts_on_one_machine_are_credited_with_a_share_each():
    assert hosts.shared(Reading(24.0), 3).value == 8.0
    assert "3 hosts" in hosts.shared(Reading(24.0), 3).detail
    assert hosts.shared(Reading(24.0), 1) == Reading(24.0)


def test_accelerators_are_counted_by_their_driver():
    output = "NVIDIA L4, 8.9\nNVIDIA T4, 7.5\n"
    assert hosts.read_accelerators(output).value == 2.0
    assert hosts.read_compute_capability(output).value == 7.5


def test_a_host_without_driver_has_no_accelerator_and_no_compute_capability():
    assert hosts.read_accelerators("").value == 0.0
    assert hosts.read_compute_capability("").reason_not_measured == "the host has no accelerator"


def test_a_physical_link_tells_its_speed():
    assert hosts.read_link("eth0 25000 yes").value == 25e9


@pytest.mark.parametrize("output", ["host0 10000 no", "eth0 -1 yes", "eth0 0 yes", ""])
def test_a_virtual_or_silent_link_measures_nothing(output):
    assert hosts.read_link(output).value is None


def test_firewall_by_nftables():
    chain = {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": "drop"}
    assert hosts.read_firewall(nftables(chain) + "\n\n").value is True


def test_firewall_by_iptables_policy():
    assert hosts.read_firewall("\n-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n").value is True


def test_firewall_by_a_last_rule_that_drops():
    assert hosts.read_firewall("\n-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n").value is True


@pytest.mark.parametrize(
    "output",
    [
        "",
        "\n",
        "\n-P INPUT ACCEPT\n",
        "\n-P INPUT ACCEPT\n-A INPUT -j DROP\n-A INPUT -j ACCEPT\n",
        "\n-P INPUT ACCEPT\n-A INPUT -s 10.0.0.1/32 -j DROP\n",
        nftables({"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "accept"}) + "\n\n",
        nftables({"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}) + "\n\n",
    ],
)
def test_no_firewall(output):
    assert hosts.read_firewall(output).value is False


def test_firewall_where_both_tools_answer():
    chain = {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "accept"}
    assert hosts.read_firewall(nftables(chain) + "\n\n-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with x\n").value


@pytest.mark.parametrize(
    ("output", "value"), [("none\nyes\n", True), ("none\nno\n", False), ("systemd-nspawn\nyes\n", True)]
)
def test_clock(output, value):
    assert hosts.read_time(output).value is value


def test_the_clock_of_a_container_is_its_machines():
    assert "systemd-nspawn" in str(hosts.read_time("systemd-nspawn\nno\n").reason_not_measured)


def test_swap():
    assert hosts.read_swap("").value is True
    reading = hosts.read_swap("/dev/sda3  partition 1048572 0 -2\n")
    assert reading.value is False
    assert "/dev/sda3" in reading.detail


SSHD = "permitrootlogin no\npasswordauthentication no\nkbdinteractiveauthentication no\npermitemptypasswords no\n"


def test_ssh_hardened():
    assert hosts.read_ssh(SSHD).value is True


@pytest.mark.parametrize("key", list(hosts.HARDENED))
def test_one_loose_setting_is_enough(key):
    reading = hosts.read_ssh(SSHD.replace(f"{key} no", f"{key} yes"))
    assert reading.value is False
    assert reading.detail == f"{key} yes"


def test_sshd_that_does_not_answer_is_no_measurement():
    assert hosts.read_ssh("").value is None


def test_the_oldest_version_counts():
    reading = cluster.lowest_version(["v1.36.3", "v1.35.9", "v1.36.0"])
    assert reading.value == "1.35.9"
    assert cluster.lowest_version(["", "unknown"]).value is None


@pytest.mark.parametrize(
    ("output", "value"), [("12 12", True), ("11 12", False), ("0 12", False), ("0 0", None), ("", None), ("x y", None)]
)
def test_every_secret_must_be_encrypted(output, value):
    assert cluster.read_secrets(output).value is value


EVENT = '{"kind":"Event","apiVersion":"audit.k8s.io/v1"}'


@pytest.mark.parametrize(
    ("output", "value"),
    [(f"3 {EVENT}", True), (f"3000 {EVENT}", False), ("3 {}", False), ("3 broken", False), ("3", False), ("", False)],
)
def test_audit_log_must_hold_a_recent_event(output, value):
    assert cluster.read_audit(output).value is value
