"""The packet filter stands whole or not at all, and a taken range is told with what takes it."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from portolan import paths
from portolan.sandbox import names, network
from portolan.sandbox.spec import plan_sandbox
from portolan.sites import load_site

RANGE = IPv4Network("10.89.0.0/24")
FOREIGN = ["-P FORWARD DROP", "-N DOCKER", "-A FORWARD -o docker0 -j DOCKER"]


@pytest.fixture(scope="module")
def sandbox():
    return plan_sandbox(load_site(paths.REPOSITORY / "sites" / "sandbox.yaml"), {})


def standing(script):
    """Return what `iptables -S` prints once a script has been applied."""
    lines = script.splitlines()
    chains = [f"-N {line[1:].split(' ')[0]}" for line in lines if line.startswith(":")]
    rules = [line for line in lines if line.startswith("-A ")]
    jumps = [f"-A {line.split(' ')[1]} {line.split(' ', 3)[3]}" for line in lines if line.startswith("-I ")]
    return chains + jumps + rules


def test_the_filter_lets_hosts_talk_and_refuses_the_rest(sandbox):
    script = network.filter_script(sandbox, FOREIGN)
    forward = names.forward_chain(sandbox.site)
    assert f"-A {forward} -i {sandbox.segments[0].bridge} -o {sandbox.segments[0].bridge} -j ACCEPT" in script
    assert f"-A {forward} -j REJECT" in script
    assert script.index(" -j ACCEPT") < script.index(" -j REJECT")


def test_a_filter_that_stands_is_left_alone(sandbox):
    rules = FOREIGN + standing(network.filter_script(sandbox, FOREIGN))
    assert network.filter_script(sandbox, rules) == ""


@pytest.mark.parametrize("missing", range(2, 9))  # three jumps and four rules, after the two chains
def test_a_filter_with_any_line_missing_is_made_whole_without_a_second_jump(sandbox, missing):
    whole = standing(network.filter_script(sandbox, []))
    damaged = [rule for number, rule in enumerate(whole) if number != missing]
    mended = network.filter_script(sandbox, damaged)
    inserted = [line for line in mended.splitlines() if line.startswith("-I ")]
    jumps = [rule for rule in damaged if rule.startswith(("-A FORWARD ", "-A INPUT "))]
    assert mended
    assert len(inserted) + len(jumps) == 3


def test_removal_takes_every_line_of_ours_and_none_of_another_s(sandbox):
    identity = names.identity(sandbox.site)
    script = network.filter_removal_script(identity, FOREIGN + standing(network.filter_script(sandbox, [])))
    assert script.count("-D ") == 3
    assert script.count("-X ") == 2
    assert "DOCKER" not in script
    assert network.filter_removal_script(identity, FOREIGN) == ""


def test_a_range_on_another_interface_is_taken():
    links = [{"ifname": "eth0", "addr_info": [{"family": "inet", "local": "10.89.0.77", "prefixlen": 16}]}]
    assert "eth0" in network.overlapping(RANGE, "ptl-x", links, [])


def test_another_sandbox_is_named():
    links = [
        {
            "ifname": "ptl-y",
            "ifalias": "portolan:other",
            "addr_info": [{"family": "inet", "local": "10.89.0.1", "prefixlen": 24}],
        }
    ]
    assert "sandbox other" in network.overlapping(RANGE, "ptl-x", links, [])


def test_a_route_takes_a_range_but_the_default_route_does_not():
    assert network.overlapping(RANGE, "ptl-x", [], [{"dst": "10.0.0.0/8", "dev": "tun0"}])
    assert network.overlapping(RANGE, "ptl-x", [], [{"dst": "default", "dev": "eth0"}]) is None


def test_the_own_bridge_takes_nothing():
    links = [{"ifname": "ptl-x", "addr_info": [{"family": "inet", "local": "10.89.0.1", "prefixlen": 24}]}]
    assert network.overlapping(RANGE, "ptl-x", links, [{"dst": "10.89.0.0/24", "dev": "ptl-x"}]) is None
