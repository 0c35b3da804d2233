"""Role network: what systemd-networkd is told, and every reason for which a host's links are left alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from portolan.inventory.devices import link_variables
from portolan.sites.links import Link
from tests.ansible.loading import load

links = load("filter_plugins/links.py")
module = load("library/host_links.py")

# A host that is reached over eno1, with two adapters and a port of InfiniBand to spare.
SEEN: dict[str, Any] = {
    "links": {
        name: {"mtu_bytes": 1500, "addresses": [], "master": "", "below": ""}
        for name in ("lo", "eno1", "ens2", "ens3", "ib0")
    },
    "carriers": ["eno1"],
    "others": {},
    "files": [],
    "alone": True,
}


def wanted(*given: dict[str, Any]) -> list[dict[str, Any]]:
    return [link_variables(Link.model_validate(one)) for one in given]


def files(*given: dict[str, Any], alone: bool = True) -> dict[str, str]:
    made = links.network_files(wanted(*given), alone)
    return {Path(one["path"]).name: one["content"] for one in made}


BOND = {"name": "bond0", "members": ["ens2", "ens3"], "mtu_bytes": 9000, "addresses": ["10.40.0.12/24"]}


def test_a_bond_is_made_of_its_members_with_frames_of_one_size():
    made = files(BOND)
    assert {"Kind=bond", "Mode=802.3ad", "TransmitHashPolicy=layer3+4"} <= set(made["05-portolan-bond0.netdev"].split())
    for member in ("ens2", "ens3"):
        assert {"Bond=bond0", "MTUBytes=9000"} <= set(made[f"05-portolan-{member}.network"].split())
    assert "Address=10.40.0.12/24" in made["05-portolan-bond0.network"]


def test_a_vlan_is_named_by_the_link_below_it_listed_or_not():
    vlan = {"name": "storage", "vlan": {"id": 40, "of": "bond0"}, "mtu_bytes": 9000}
    made = files(BOND, vlan)
    assert "VLAN=storage" in made["05-portolan-bond0.network"]
    assert "Id=40" in made["05-portolan-storage.netdev"]
    alone = files({"name": "storage", "vlan": {"id": 40, "of": "ens2"}})
    assert "VLAN=storage" in alone["05-portolan-ens2.network"]


def test_the_adapter_gets_speed_pause_frames_and_rings_where_they_were_chosen():
    plain = {"name": "ens2"}
    assert not [name for name in files(plain) if name.endswith(".link")]
    fast = {**plain, "speed_gigabits": 100, "flow_control": False, "largest_buffers": True}
    told = files(fast)["05-portolan-ens2.link"].split("\n")
    assert {"OriginalName=ens2", "BitsPerSecond=100G", "RxFlowControl=no", "RxBufferSize=max"} <= set(told)
    assert "05-portolan-ens3.link" in files({**BOND, "speed_gigabits": 100})


def test_infiniband_carries_ip_in_the_mode_that_was_chosen():
    assert "[IPoIB]\nMode=connected" in files({"name": "ib0", "infiniband": "connected"})["05-portolan-ib0.network"]


def test_no_link_sets_a_default_route_or_asks_anybody_for_an_address():
    texts = "".join(files(BOND, {"name": "ib0", "infiniband": "datagram"}).values())
    assert not re.search(r"^(Gateway|DHCP|DNS)=", texts, re.MULTILINE)


def test_every_other_link_is_none_of_its_business_where_it_runs_for_these_alone():
    assert "Name=*" in files(BOND)["06-portolan-others.network"]
    assert "Unmanaged=yes" in files(BOND)["06-portolan-others.network"]
    assert "06-portolan-others.network" not in files(BOND, alone=False)


def test_the_hosts_own_link_stays_out_of_its_hands_when_no_link_is_left():
    (left,) = links.network_files([], alone=True, begun=True)
    assert left["path"] == "/etc/systemd/network/06-portolan-others.network"
    assert links.network_files([], alone=True, begun=False) == []


def test_buffers_grow_with_the_speed_and_only_beyond_the_kernels_own():
    assert links.network_parameters(wanted({"name": "ens2", "speed_gigabits": 10})) == {}
    found = links.network_parameters(wanted({"name": "ens2", "speed_gigabits": 100}))
    assert found["net.core.rmem_max"] == "25000000"  # twice 100 Gbit/s for a millisecond, in bytes


@pytest.mark.parametrize(
    ("given", "seen", "said"),
    [
        ({"name": "eno1", "mtu_bytes": 9000}, {}, "link eno1 of gpu-1 carries the connection"),
        ({"name": "bond0", "members": ["eno1", "ens2"]}, {}, "link eno1 of gpu-1 carries the connection"),
        ({"name": "storage", "vlan": {"id": 40, "of": "eno1"}}, {}, "link eno1 of gpu-1 carries the connection"),
        ({"name": "ens2"}, {"others": {"ens2": "/etc/network/interfaces"}}, "configured in /etc/network/interfaces"),
        ({"name": "ens9"}, {}, "gpu-1 has no link ens9; it has"),
        ({"name": "bond0", "members": ["ens2", "ens9"]}, {}, "gpu-1 has no link ens9"),
    ],
    ids=["own link", "own link in a bond", "own link below a vlan", "somebody else's", "missing", "missing member"],
)  # fmt: skip
def test_what_could_cut_the_connection_or_belongs_to_others_is_refused(given, seen, said):
    (problem,) = links.network_problems(wanted(given), {**SEEN, **seen}, "gpu-1")
    assert said in problem
    assert "Remedy: " in problem


def test_free_adapters_are_taken():
    assert links.network_problems(wanted(BOND, {"name": "ib0", "infiniband": "datagram"}), SEEN, "gpu-1") == []


def test_what_a_link_lacks_is_told_one_by_one():
    found = links.network_differences(wanted(BOND), SEEN)
    assert found == ["there is no link bond0"]
    half = {**SEEN["links"], "bond0": {"mtu_bytes": 1500, "addresses": [], "master": "", "below": ""}}
    assert links.network_differences(wanted(BOND), {**SEEN, "links": half}) == [
        "bond0 has frames of 1500 bytes, not of 9000",
        "bond0 has no address 10.40.0.12/24",
        "ens2 is no member of bond0",
        "ens3 is no member of bond0",
    ]


def test_a_carrier_brings_everything_that_it_lies_on():
    known = module.links(
        [
            {"ifname": "eno1", "mtu": 1500, "master": "bond1"},
            {"ifname": "eno2", "mtu": 1500, "master": "bond1"},
            {"ifname": "bond1", "mtu": 1500},
            {"ifname": "office", "mtu": 1500, "link": "bond1",
             "addr_info": [{"family": "inet", "local": "192.0.2.12", "prefixlen": 24}]},
            {"ifname": "ens2", "mtu": 1500},
        ]
    )  # fmt: skip
    assert module.with_what_they_need({"office"}, known) == ["bond1", "eno1", "eno2", "office"]
    assert known["office"]["addresses"] == ["192.0.2.12/24"]


def test_links_of_ifupdown_and_of_other_files_are_known_and_the_roles_own_are_not(tmp_path: Path):
    interfaces = tmp_path / "etc/network/interfaces"
    interfaces.parent.mkdir(parents=True)
    interfaces.write_text("auto lo\niface lo inet loopback\nallow-hotplug eno1\niface eno1 inet dhcp\n")
    networkd = tmp_path / "etc/systemd/network"
    networkd.mkdir(parents=True)
    (networkd / "10-office.network").write_text("[Match]\nName=ens5 ens6\n[Network]\nDHCP=yes\n")
    (networkd / "05-portolan-ens2.network").write_text("[Match]\nName=ens2\n")
    found = module.configured(tmp_path)
    assert {name: Path(path).name for name, path in found.items()} == {
        "eno1": "interfaces", "ens5": "10-office.network", "ens6": "10-office.network",
    }  # fmt: skip
