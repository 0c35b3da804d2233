"""Role os: a Debian host that is ready for Kubernetes and closed to strangers."""

from __future__ import annotations

import pytest

from portolan.conformity.hosts import HARDENED


def test_it_is_debian_12(host):
    assert host.system_info.distribution == "debian"
    assert host.system_info.release.startswith("12")


def test_its_name_is_the_sites(host, node):
    assert host.check_output("hostname") == node.name


def test_it_knows_every_other_host_of_the_site(host, node, sandbox):
    for name, address in sandbox.addresses.items():
        if name == node.name:
            continue  # Debian gives a host's own name an address of the loopback
        assert host.check_output("getent ahostsv4 %s", name).split()[0] == address.address


@pytest.mark.parametrize(
    "key", ["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"]
)
def test_the_kernel_forwards_and_filters_bridged_packets(host, key):
    assert host.sysctl(key) == 1


def test_no_swap_is_in_use(host):
    assert len(host.file("/proc/swaps").content_string.strip().splitlines()) == 1


@pytest.mark.parametrize(("key", "value"), sorted(HARDENED.items()))
def test_ssh_lets_in_neither_root_nor_passwords(host, key, value):
    settings = dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines() if " " in line)
    assert settings[key] == value


def test_the_operator_is_no_root_and_has_sudo(host, sandbox, node):
    user = host.user(sandbox.addresses[node.name].user)
    assert user.exists
    assert user.uid != 0


def test_the_operators_key_is_for_the_operator_only(host, sandbox, node):
    name = sandbox.addresses[node.name].user
    keys = host.file(f"{host.user(name).home}/.ssh/authorized_keys")
    assert keys.user == name
    assert keys.mode & 0o077 == 0


def test_no_account_has_an_empty_password(host):
    assert host.check_output("awk -F: '$2 == \"\" {print $1}' /etc/shadow") == ""


def test_its_machine_id_is_its_own(host, hosts):
    ids = [connection.host.file("/etc/machine-id").content_string.strip() for connection in hosts.values()]
    assert len(set(ids)) == len(ids)
    assert all(len(identity) == 32 for identity in ids)


def test_systemd_has_no_failed_unit(host):
    assert host.check_output("systemctl list-units --state=failed --plain --no-legend") == ""
