"""Hosts keep their addresses, new ones get the lowest free, and what cannot stand is refused."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.sandbox.spec import hosts_document, plan_sandbox
from portolan.sites import load_site
from portolan.sites.schema import Network

GIBIBYTE = 1 << 30


@pytest.fixture(scope="module")
def site():
    return load_site(paths.REPOSITORY / "sites" / "sandbox.yaml")


def with_range(site, text):
    return site.model_copy(update={"network": Network.model_validate({"hosts": text})})


def test_each_host_has_an_address_of_the_range_and_none_is_the_gateway(site):
    sandbox = plan_sandbox(site, {})
    addresses = [host.address for host in sandbox.hosts]
    assert len(set(addresses)) == len(addresses)
    assert all(address in sandbox.segments[0].network for address in addresses)
    assert sandbox.segments[0].gateway not in addresses


def test_a_host_that_stands_keeps_its_address_when_another_is_put_before_it(site):
    kept = {"worker-2": IPv4Address("10.89.0.10")}
    given = {host.name: host.address for host in plan_sandbox(site, kept).hosts}
    assert given["worker-2"] == kept["worker-2"]
    assert len(set(given.values())) == len(given)


def test_the_address_of_a_host_that_left_the_site_file_is_not_given_away_while_it_stands(site):
    kept = {"worker-9": IPv4Address("10.89.0.10")}
    assert kept["worker-9"] not in [host.address for host in plan_sandbox(site, kept).hosts]


def test_a_range_that_changed_under_standing_hosts_is_refused(site):
    with pytest.raises(PortolanError, match=r"stands at 10\.77\.0\.10"):
        plan_sandbox(site, {"worker-1": IPv4Address("10.77.0.10")})


@pytest.mark.parametrize("text", ["10.88.0.0/15", "10.91.0.0/29"])
def test_a_range_too_large_or_too_small_is_refused(site, text):
    with pytest.raises(PortolanError, match="is not between"):
        plan_sandbox(with_range(site, text), {})


def test_the_smallest_range_holds_the_example(site):
    assert len(plan_sandbox(with_range(site, "10.91.0.16/28"), {}).hosts) == len(site.hosts.nodes)


def test_hosts_of_racks_are_refused():
    site = load_site(paths.REPOSITORY / "sites" / "sandbox.yaml")
    racked = site.model_copy(update={"hosts": site.hosts.model_copy(update={"provider": "existing"})})
    with pytest.raises(PortolanError, match="provider: sandbox"):
        plan_sandbox(racked, {})


def test_all_hosts_together_advertise_no_more_memory_and_the_workers_no_more_cores_than_the_machine(site):
    memory, cores = 24 * GIBIBYTE, 2
    hosts = hosts_document(plan_sandbox(site, {}), "/key", memory, cores)["hosts"]
    offered = sum(memory - host["facts"]["kubelet_system_reserved_memory_bytes"] for host in hosts)
    assert 0.9 * memory < offered <= memory
    millicores = sum(
        cores * 1000 - host["facts"]["kubelet_system_reserved_cpu_millicores"]
        for host in hosts
        if host["role"] == "worker"
    )
    assert 0.9 * cores * 1000 < millicores <= cores * 1000


def test_simulated_accelerators_are_told_as_simulated(site):
    hosts = hosts_document(plan_sandbox(site, {}), "/key", 24 * GIBIBYTE, 2)["hosts"]
    assert [host["simulated_accelerators"] for host in hosts] == [{}, {}, {"nvidia.com/gpu": 4}]
