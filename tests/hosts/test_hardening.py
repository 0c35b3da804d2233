"""Roles firewall and hardening: what strangers reach, seen from outside, and what a host records."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

from portolan.sites.schema import HostRole

# Towards this machine, which is on the hosts' network, and no client of etcd.
OPEN = {HostRole.CONTROL_PLANE: {22, 6443, 10250}, HostRole.WORKER: {22, 10250, 10256}}
# Where something listens on each host, or would be worth something to a stranger.
TRIED = (22, 111, 2049, 2379, 2380, 2381, 6443, 8472, 9100, 10248, 10249, 10250, 10255, 10256, 10257, 10259)


def answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def test_from_outside_nothing_answers_that_its_role_does_not_need(host, node, sandbox):
    address = sandbox.addresses[node.name].address
    with ThreadPoolExecutor(len(TRIED)) as pool:
        found = {
            port for port, open_ in zip(TRIED, pool.map(lambda p: answers(address, p), TRIED), strict=True) if open_
        }
    assert found <= OPEN[node.role]
    assert 22 in found


def test_etcd_listens_and_yet_nobody_outside_reaches_it(control_plane, node, sandbox):
    address = sandbox.addresses[node.name].address
    assert control_plane.socket(f"tcp://{address}:2379").is_listening
    assert not answers(address, 2379)


def test_what_is_dropped_is_counted(host, node, sandbox):
    def dropped() -> int:
        rules = host.check_output("nft list chain inet portolan input").splitlines()
        return int(rules[-3].split()[2])

    before = dropped()
    answers(sandbox.addresses[node.name].address, 9)
    assert dropped() > before


def test_no_rule_is_about_to_be_taken_back(host):
    assert "portolan-firewall-guard" not in host.check_output("systemctl list-timers --all")
    assert "portolan-ssh-guard" not in host.check_output("systemctl list-timers --all")


def test_the_rules_are_loaded_at_boot(host):
    assert host.service("portolan-firewall").is_enabled


def test_what_is_done_by_sudo_is_recorded(host):
    log = host.file("/var/log/sudo.log")
    assert log.mode & 0o077 == 0
    assert "COMMAND=" in log.content_string


def test_audit_rules_are_there_and_are_loaded_where_the_kernel_is_the_hosts_own(host):
    assert host.file("/etc/audit/rules.d/50-portolan.rules").mode & 0o037 == 0
    if host.run("systemd-detect-virt --container --quiet").rc != 0:
        assert host.service("auditd").is_running
        assert "-e 2" in host.file("/etc/audit/audit.rules").content_string
