"""One cluster or several, which data where, and what a reader is warned of."""

from __future__ import annotations

import pytest

from portolan import paths
from portolan.sites import load_site
from portolan.sites.locations import LONGEST_ROUND_TRIP_MILLISECONDS, DataClass
from portolan.sizing.engine import owned, size
from portolan.sizing.placement import plan_placement, warnings


@pytest.fixture(scope="module")
def site():
    return load_site(paths.REPOSITORY / "tests" / "scenarios" / "hybrid" / "site.yaml")


def with_tunnel(site, **more):
    tunnel = site.locations.tunnel.model_copy(update=more)
    return site.model_copy(update={"locations": site.locations.model_copy(update={"tunnel": tunnel})})


def test_one_cluster_spans_a_line_that_nodes_bear_and_the_plan_says_why(site):
    plan = plan_placement(site)
    assert plan.clusters == "stretched"
    assert "etcd does not cross the tunnel" in plan.reason
    longest = with_tunnel(site, round_trip_milliseconds=LONGEST_ROUND_TRIP_MILLISECONDS)
    assert plan_placement(longest).clusters == "stretched"


def test_a_longer_line_asks_for_a_cluster_in_each_location_and_the_plan_says_what_that_costs(site):
    plan = plan_placement(with_tunnel(site, round_trip_milliseconds=151.0))
    assert plan.clusters == "one-a-location"
    assert "151 ms is over the 150 ms" in plan.reason
    assert any("each with its own API" in one for one in warnings(plan))


def test_sensitive_data_have_no_place_in_the_cloud(site):
    for location in plan_placement(site).locations:
        assert (DataClass.SENSITIVE in location.data) == (location.kind == "on-site")


def test_a_plugin_that_enforces_nothing_is_warned_of(site, requirements):
    assert any("enforces no NetworkPolicy" in one for one in size(site, requirements).warnings)
    other = site.model_copy(update={"network": site.network.model_copy(update={"plugin": "cilium"})})
    assert not any("enforces no NetworkPolicy" in one for one in size(other, requirements).warnings)


def test_no_hardware_is_bought_for_hosts_in_the_cloud(site):
    assert [host.name for host in owned(site).hosts.nodes] == ["control-1", "worker-1"]


def test_a_site_of_one_place_has_no_placement(examples):
    assert plan_placement(load_site(examples / "sandbox.yaml")) is None
