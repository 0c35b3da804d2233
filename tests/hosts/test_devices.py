"""Roles gpu and network on each host of the site. A host without the device says `not measured`."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def gpus(host, node):
    """The modes of the host's GPUs, as its own program tells them."""
    if node.accelerators is None:
        pytest.skip(f"not measured: the site file gives {node.name} no accelerators of its own")
    return json.loads(host.check_output("sudo /usr/local/lib/portolan/accelerators check"))


def test_a_host_has_the_gpus_that_the_site_file_says(gpus, node):
    assert len(gpus["gpus"]) == node.accelerators.count


def test_gpus_are_split_and_correct_errors_as_the_site_file_says(gpus):
    assert gpus["todo"] == {}


def test_gpus_stay_ready_and_no_other_driver_holds_them(host, gpus):
    assert host.service("nvidia-persistenced").is_running
    assert not host.file("/sys/module/nouveau").exists


def test_containerd_knows_the_runtime_class_only_where_there_are_gpus(host, node):
    configuration = host.file("/etc/containerd/config.toml").content_string
    assert ("runtimes.nvidia]" in configuration) is (node.accelerators is not None)


def test_every_further_link_has_its_size_and_addresses(host, node):
    if not node.links:
        pytest.skip(f"not measured: the site file gives {node.name} no further links")
    for link in node.links:
        (found,) = json.loads(host.check_output("ip -json address show dev %s", link.name))
        assert found["mtu"] == link.mtu_bytes
        there = {f"{one['local']}/{one['prefixlen']}" for one in found["addr_info"]}
        assert {str(address) for address in link.addresses} <= there


def test_no_change_of_links_is_waiting_to_be_taken_back(host):
    assert host.check_output("systemctl list-timers --all --no-legend 'portolan-links-guard*'") == ""
