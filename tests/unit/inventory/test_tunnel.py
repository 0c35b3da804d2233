"""What the inventory says of locations, and what gateways say of the tunnel."""

from __future__ import annotations

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.inventory.document import Sources, inventory
from portolan.inventory.hosts import MadeHost
from portolan.inventory.sources import tunnel_generation
from portolan.inventory.tunnel import parse, require_locations
from portolan.sites import load_site

HYBRID = paths.REPOSITORY / "tests" / "scenarios" / "hybrid" / "site.yaml"
ADDRESSES = {"control-1": "10.93.0.10", "worker-1": "10.93.0.11", "cloud-1": "10.94.0.10", "cloud-2": "10.94.0.11"}


@pytest.fixture(scope="module")
def document():
    made = {name: MadeHost(name=name, address=address, ssh_user="x") for name, address in ADDRESSES.items()}
    return inventory(Sources(site=load_site(HYBRID), made=made, state="/state", bundle="/bundle", tunnel_generation=3))


def test_one_host_a_location_ends_the_tunnel(document):
    assert document["vpn"]["hosts"] == ["worker-1", "cloud-1"]


def test_every_host_knows_every_location_and_its_gateway(document):
    capital, region = document["all"]["vars"]["site_locations"]
    assert (capital["gateway"], capital["gateway_address"]) == ("worker-1", "10.93.0.11")
    assert region["hosts"] == {"cloud-1": "10.94.0.10", "cloud-2": "10.94.0.11"}
    assert document["all"]["vars"]["tunnel_generation"] == 3


def test_the_packet_filter_is_told_what_the_tunnel_needs(document):
    variables = document["all"]["vars"]
    (service,) = variables["firewall_more_services"]
    assert (service["to"], service["protocol"], service["ports"]) == (["vpn"], "udp", [51820, 51821])
    assert variables["firewall_forwarded"] == [{"from": "10.93.0.0/24", "to": "10.94.0.0/24"}]


def test_nodes_are_labelled_by_location_and_only_those_in_the_cloud_are_tainted(document):
    hosts = document["_meta"]["hostvars"]
    assert hosts["cloud-2"]["node_labels"]["portolan.dev/location"] == "region"
    assert hosts["cloud-2"]["node_labels"]["topology.kubernetes.io/zone"] == "region"
    tainted = {name for name, variables in hosts.items() if variables["node_taints"]}
    assert tainted == {"cloud-1", "cloud-2"}


def test_a_site_without_locations_hears_nothing_of_them():
    site = load_site(paths.REPOSITORY / "sites" / "sandbox.yaml")
    plain = inventory(Sources(site=site, state="/state", bundle="/bundle"))
    assert "vpn" not in plain
    assert "site_locations" not in plain["all"]["vars"]
    with pytest.raises(PortolanError, match="has no locations"):
        require_locations(site, HYBRID)


def test_what_a_gateway_says_is_read_without_its_private_key():
    dump = (
        "active 1\n"
        "tunnel1\tPRIVATE\tPUBLIC\t51821\toff\n"
        "tunnel1\tPEER\t(none)\t10.94.0.10:51821\t10.94.0.0/24,10.96.2.0/24\t1000\t2048\t4096\t10\n"
        "tunnel0\tPEER\t(none)\t10.94.0.10:51820\t10.94.0.0/24\t0\t0\t0\t10\n"
    )
    new, old = parse("worker-1", dump, {"10.94.0.0/24": "region"}, now=1030)
    assert (new.location, new.in_use, new.up, new.handshake_seconds) == ("region", True, True, 30)
    assert (old.in_use, old.up, old.handshake_seconds) == (False, False, None)
    assert "PRIVATE" not in new.model_dump_json()


def test_a_peer_that_is_silent_for_three_minutes_is_not_up():
    dump = "active 0\ntunnel0\tPEER\t(none)\t-\t10.94.0.0/24\t1000\t1\t1\t10\n"
    assert not parse("worker-1", dump, {}, now=1180)[0].up


def test_a_damaged_count_of_keys_is_told(tmp_path):
    assert tunnel_generation(tmp_path) == 0
    (tmp_path / "tunnel-generation").write_text("many\n")
    with pytest.raises(PortolanError, match="'many' is no number"):
        tunnel_generation(tmp_path)
