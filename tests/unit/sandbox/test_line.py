"""Locations have bridges of their own, and the line lets gateways through and nobody else."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.sandbox import line, names, network
from portolan.sandbox.hostfiles import NETWORK_UNIT
from portolan.sandbox.line import Shape
from portolan.sandbox.spec import plan_sandbox
from portolan.sites import load_site

INTERFACE_CHARACTERS = 15


@pytest.fixture(scope="module")
def site():
    return load_site(paths.REPOSITORY / "tests" / "scenarios" / "hybrid" / "site.yaml")


@pytest.fixture(scope="module")
def sandbox(site):
    return plan_sandbox(site, {})


def test_each_location_has_a_bridge_and_its_hosts_are_on_it(sandbox):
    assert len({segment.bridge for segment in sandbox.segments}) == 2
    for host in sandbox.hosts:
        assert host.address in host.segment.network
    assert len({host.machine for host in sandbox.hosts}) == 4


def test_names_fit_the_kernel_and_are_found_again(sandbox):
    identity = names.identity(sandbox.site)
    for number, segment in enumerate(sandbox.segments):
        assert names.parse_bridge(segment.bridge) == identity
        assert len(names.line_end(sandbox.site, number)) <= INTERFACE_CHARACTERS
    assert names.parse_line(names.line(sandbox.site)) == identity
    assert names.parse_line("portolan-line-x") is None


def test_only_gateways_have_a_way_over_the_line(sandbox):
    peers = {host.name: host.line_peers for host in sandbox.hosts}
    assert peers["control-1"] == peers["cloud-2"] == ()
    assert peers["worker-1"] == (IPv4Address("10.94.0.3"),)


def test_bridges_do_not_reach_each_other_through_the_machine(sandbox):
    script = network.filter_script(sandbox, [])
    one, other = (segment.bridge for segment in sandbox.segments)
    assert f"-i {one} -o {other} -j ACCEPT" not in script
    assert f"-I FORWARD 1 -o {other} -j" in script


def test_the_line_forwards_from_gateway_to_gateway_alone(sandbox):
    rules = line.filter_script(sandbox, Shape(), delayed_in_user_space=False).splitlines()
    accepted = [rule for rule in rules if "FORWARD" in rule and "ACCEPT" in rule]
    assert accepted == [
        "-A FORWARD -s 10.93.0.3/32 -d 10.94.0.3/32 -j ACCEPT",
        "-A FORWARD -s 10.94.0.3/32 -d 10.93.0.3/32 -j ACCEPT",
    ]
    assert ":FORWARD DROP [0:0]" in rules


def test_a_cut_comes_before_everything_and_a_delayed_packet_is_lost_once_at_most(sandbox):
    rules = line.filter_script(sandbox, Shape(cut=True, loss=0.25), delayed_in_user_space=True).splitlines()
    forward = [rule for rule in rules if rule.startswith("-A FORWARD")]
    assert forward[0] == "-A FORWARD -j DROP"
    assert forward[1] == "-A FORWARD -i delay0 -j ACCEPT"
    assert "--probability 0.250000" in forward[2]


def test_a_host_that_stands_in_another_location_is_told(site):
    with pytest.raises(PortolanError, match=r"cloud-1: it stands at 10\.93\.0\.40, and location region"):
        plan_sandbox(site, {"cloud-1": IPv4Address("10.93.0.40")})


def test_a_site_of_one_place_has_no_line():
    plain = plan_sandbox(load_site(paths.REPOSITORY / "sites" / "sandbox.yaml"), {})
    with pytest.raises(PortolanError, match="has no line"):
        line.shape(plain, Shape(cut=True))
    assert "{line}" in NETWORK_UNIT
