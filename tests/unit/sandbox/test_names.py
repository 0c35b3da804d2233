"""Leftovers are found by their names alone, and no two sandboxes share one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portolan.sandbox import names

LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
INTERFACE_CHARACTERS = 15
CHAIN_CHARACTERS = 28


@given(LABELS, LABELS)
def test_a_control_group_tells_its_site_and_host(site, host):
    assert names.parse_cgroup(names.cgroup(site, host)) == (site, host)


@given(LABELS)
def test_bridge_and_chains_fit_and_tell_whose_they_are(site):
    assert len(names.bridge(site)) <= INTERFACE_CHARACTERS
    assert names.parse_bridge(names.bridge(site)) == names.identity(site)
    for chain in (names.forward_chain(site), names.input_chain(site)):
        assert len(chain) <= CHAIN_CHARACTERS
        assert names.parse_chain(chain) == names.identity(site)


@given(LABELS, st.integers(1, 2**16 - 2))
def test_a_link_s_name_fits_unshortened_and_is_unique_in_its_range(site, offset):
    network = IPv4Network("10.91.0.0/16")
    one, next_one = (
        names.veth(names.machine(site, network, IPv4Address(int(network.network_address) + number)))
        for number in (offset, offset + 1)
    )
    assert len(one) == INTERFACE_CHARACTERS
    assert one != next_one


def test_hyphens_never_confuse_two_sites():
    assert names.cgroup("a-b", "c") != names.cgroup("a", "b-c")


@pytest.mark.parametrize("name", ["docker0", "ptl-", "ptl-0123456", "ptl-0123456g", "br-ptl-01234567"])
def test_another_s_bridge_is_never_taken_for_a_sandbox_s(name):
    assert names.parse_bridge(name) is None


@pytest.mark.parametrize("name", ["portolan", "portolan-site", "kubepods", "portolan-Site.host", "xportolan-a.b"])
def test_another_s_control_group_is_never_taken_for_a_host_s(name):
    assert names.parse_cgroup(name) is None
