"""A site with a long line between its locations becomes a site of one cluster for each."""

from __future__ import annotations

import pytest

from portolan import paths
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sites.clusters import cluster_sites, has_several_clusters
from portolan.sites.locations import DataClass
from portolan.sizing.engine import size

SCENARIOS = paths.REPOSITORY / "tests" / "scenarios"
SERVES_OR_HOLDS_SENSITIVE_DATA = {"risk-scoring", "kserve-controller", "metrics-server"}


@pytest.fixture(scope="module")
def site():
    return load_site(SCENARIOS / "two-clusters" / "site.yaml")


@pytest.fixture(scope="module")
def members(site):
    return {one.member_of.location: one for one in cluster_sites(site, {"cloud-1": "10.78.0.11"})}


@pytest.fixture(scope="module")
def plans(members):
    return {name: size(one, load_requirements()) for name, one in members.items()}


@pytest.mark.parametrize("path", [SCENARIOS / "hybrid" / "site.yaml", paths.REPOSITORY / "sites" / "sandbox.yaml"])
def test_a_site_of_one_cluster_stays_as_it_is(path):
    known = load_site(path)
    assert not has_several_clusters(known)
    assert cluster_sites(known) == (known,)


def test_each_location_is_a_site_of_its_own_hosts_and_its_own_range(site, members):
    assert has_several_clusters(site)
    assert {name: [host.name for host in one.hosts.nodes] for name, one in members.items()} == {
        "capital": ["control-1", "worker-1"],
        "region": ["control-2", "cloud-1"],
    }
    assert [str(one.network.hosts) for one in members.values()] == ["10.77.0.0/24", "10.78.0.0/24"]
    assert [one.name for one in members.values()] == ["long-line-capital", "long-line-region"]
    assert all(one.locations is None for one in members.values())


def test_a_cluster_knows_what_it_belongs_to_and_where_its_neighbour_answers(members):
    (neighbour,) = members["capital"].member_of.neighbours
    assert (neighbour.name, neighbour.kind, str(neighbour.address)) == ("region", "cloud", "10.78.0.11")
    (unmade,) = members["region"].member_of.neighbours
    assert unmade.address is None


def test_a_virtual_address_belongs_to_the_location_that_it_lies_in(site):
    network = site.network.model_copy(update={"virtual_address": "10.77.0.250"})
    capital, region = cluster_sites(site.model_copy(update={"network": network}))
    assert (str(capital.virtual_address), region.virtual_address) == ("10.77.0.250", None)


def test_sensitive_namespaces_are_planned_on_site_alone(plans):
    sensitive = {
        name: {space for space, data in plan.placement.namespaces.items() if data is DataClass.SENSITIVE}
        for name, plan in plans.items()
    }
    assert sensitive == {"capital": {"portolan-system", "risk-scoring"}, "region": set()}


def test_what_serves_scores_is_planned_on_site_alone(plans):
    services = {name: {service.name for service in plan.services} for name, plan in plans.items()}
    assert services["capital"] >= SERVES_OR_HOLDS_SENSITIVE_DATA
    assert not services["region"] & SERVES_OR_HOLDS_SENSITIVE_DATA
    assert not [target for target in plans["region"].targets if target.check.startswith(("endpoint.", "platform."))]


def test_every_node_says_where_it_is_and_none_is_tainted(plans):
    for name, plan in plans.items():
        assert {host.labels["portolan.dev/location"] for host in plan.hosts} == {name}
        assert not [taint for host in plan.hosts for taint in host.taints]
