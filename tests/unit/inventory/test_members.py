"""The clusters of a site as files that every command takes."""

from __future__ import annotations

import json
import re

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.inventory.converge import Options, converge, converge_all
from portolan.inventory.document import inventory
from portolan.inventory.members import cluster_files, home_cluster, one_cluster
from portolan.inventory.sources import read_sources
from portolan.platform.environment import prepare
from portolan.sites import load_site

LONG = paths.REPOSITORY / "tests" / "scenarios" / "two-clusters" / "site.yaml"
STRETCHED = paths.REPOSITORY / "tests" / "scenarios" / "hybrid" / "site.yaml"
ADDRESSES = {"control-1": "10.77.0.10", "worker-1": "10.77.0.11", "control-2": "10.78.0.10", "cloud-1": "10.78.0.11"}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTOLAN_STATE", str(tmp_path))
    return tmp_path / "sites"


@pytest.fixture
def made(state):
    hosts = [{"name": name, "address": address, "ssh_user": "x"} for name, address in ADDRESSES.items()]
    folder = state / "long-line" / "ssh"
    folder.mkdir(parents=True)
    (folder / "known_hosts").write_text("keys\n")
    (folder.parent / "hosts.json").write_text(json.dumps({"site": "long-line", "hosts": hosts}))


def test_a_site_of_one_cluster_is_its_own_file():
    assert cluster_files(STRETCHED) == (STRETCHED,)
    assert home_cluster(STRETCHED) == STRETCHED
    with pytest.raises(PortolanError, match="the site is one cluster"):
        cluster_files(STRETCHED, "capital")


def test_each_cluster_has_a_site_file_in_a_state_of_its_own(state):
    files = cluster_files(LONG)
    assert files == (state / "long-line-capital" / "site.yaml", state / "long-line-region" / "site.yaml")
    assert [load_site(file).member_of.location for file in files] == ["capital", "region"]
    assert home_cluster(LONG) == files[0]
    assert cluster_files(LONG, "region") == files[1:]


def test_an_unknown_location_is_refused_with_those_there_are():
    with pytest.raises(PortolanError, match=r"no location 'moon'(.|\n)*capital, region"):
        cluster_files(LONG, "moon")


def test_what_works_on_one_cluster_asks_which():
    for asked in (
        lambda: one_cluster(LONG, None),
        lambda: converge(LONG, Options(), print),
        lambda: prepare(LONG),
    ):
        with pytest.raises(PortolanError, match="a cluster in each of its locations") as caught:
            asked()
        assert "--location" in caught.value.remedy


def test_one_host_is_converged_in_one_cluster():
    with pytest.raises(PortolanError, match="several clusters"):
        converge_all(LONG, Options(limit="cloud-1"), print)


@pytest.mark.usefixtures("made")
def test_a_cluster_knows_its_own_hosts_and_their_keys(state):
    capital, region = (inventory(read_sources(file)) for file in cluster_files(LONG))
    assert capital["control_plane"]["hosts"] == ["control-1"]
    assert region["control_plane"]["hosts"] == ["control-2"]
    assert region["_meta"]["hostvars"]["cloud-1"]["ansible_host"] == "10.78.0.11"
    assert "control-1" not in region["_meta"]["hostvars"]
    assert (state / "long-line-region" / "ssh" / "known_hosts").read_text() == "keys\n"
    assert region["all"]["vars"]["api_endpoint"] == "10.78.0.10:6443"


@pytest.mark.usefixtures("made")
def test_a_clusters_packet_filter_lets_the_tunnel_in_and_nothing_else_joins_it():
    capital = inventory(read_sources(cluster_files(LONG)[0]))
    variables = capital["all"]["vars"]
    assert capital["vpn"]["hosts"] == ["worker-1"]
    assert variables["network_host_ranges"] == ["10.77.0.0/24"]
    assert variables["firewall_forwarded"] == [{"from": "10.77.0.0/24", "to": "10.78.0.0/24"}]
    assert "site_locations" not in variables


@pytest.mark.usefixtures("made")
def test_the_tunnel_is_laid_over_the_whole_site_and_opens_nothing_on_site():
    whole = inventory(read_sources(LONG))
    assert whole["vpn"]["hosts"] == ["worker-1", "cloud-1"]
    assert whole["all"]["vars"]["tunnel_joins_clusters"]


def rendered_filter(here: str, joins_clusters: bool) -> str:
    from jinja2 import Environment, FileSystemLoader

    folder = paths.REPOSITORY / "ansible" / "roles" / "wireguard" / "templates"
    environment = Environment(loader=FileSystemLoader(folder), trim_blocks=True, autoescape=False)
    environment.filters |= {"bool": bool, "unique": lambda values: list(dict.fromkeys(values))}
    places = [
        {"name": "capital", "kind": "on-site", "range": "10.77.0.0/24"},
        {"name": "region", "kind": "cloud", "range": "10.78.0.0/24"},
    ]
    return environment.get_template("filter.j2").render(
        wireguard_locations=places, node_location=here, wireguard_joins_clusters=joins_clusters,
        wireguard_pod_range="10.96.0.0/12", wireguard_ports_from_cloud=[6443],
    )  # fmt: skip


def test_between_clusters_the_cloud_opens_nothing_on_site_and_the_site_opens_what_it_wants_in_the_cloud():
    on_site, cloud = rendered_filter("capital", True), rendered_filter("region", True)
    accepted = [line for line in on_site.splitlines() if line.endswith("-j ACCEPT")]
    assert all(re.search(r"ESTABLISHED|icmp", line) for line in accepted)
    assert "-s 10.77.0.0/24 -j ACCEPT" in cloud
    assert "--dports 6443" in rendered_filter("capital", False)
