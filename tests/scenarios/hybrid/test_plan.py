"""What the site's file, the plan and the policies say before any host stands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from portolan import paths
from portolan.inventory.document import inventory
from portolan.inventory.sources import read_sources
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing.engine import size

sys.path.insert(0, str(paths.REPOSITORY))

from stacks.platform.residency import admission, egress

pytestmark = pytest.mark.short


def test_two_hosts_are_in_each_place_and_one_of_them_ends_the_tunnel(site_file: Path) -> None:
    site = load_site(site_file)
    assert site.locations is not None
    for location in site.locations.places:
        there = [host.name for host in site.hosts.nodes if host.location == location.name]
        assert len(there) == 2
        assert location.gateway in there
    assert inventory(read_sources(site_file))["vpn"]["hosts"] == ["worker-1", "cloud-1"]


def test_the_plan_stretches_one_cluster_and_says_why(site_file: Path) -> None:
    placement = size(load_site(site_file), load_requirements()).placement
    assert placement is not None
    assert placement.clusters == "stretched"
    assert "HYB-9.5.4-03" in placement.reason


def test_the_policies_name_the_requirement_and_the_hosts_in_the_cloud(site_file: Path) -> None:
    placement = size(load_site(site_file), load_requirements()).placement
    assert placement is not None
    policies = [one for one in admission(placement, ["portolan-local"]) if one["kind"] == "ValidatingAdmissionPolicy"]
    for one in policies:
        assert all("HYB-9.5.4-02" in check["messageExpression"] for check in one["spec"]["validations"])
    assert '["cloud-1", "cloud-2"]' in str(policies)
    assert all("10.94." not in str(one) for one in egress(placement))
