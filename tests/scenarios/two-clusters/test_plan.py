"""What the site's file and the plans of its clusters say before any host stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sites.clusters import cluster_sites
from portolan.sizing.engine import size

pytestmark = pytest.mark.short


def test_the_plan_chooses_a_cluster_in_each_location_and_says_why(site_file: Path) -> None:
    placement = size(load_site(site_file), load_requirements()).placement
    assert placement is not None
    assert placement.clusters == "one-a-location"
    assert "300 ms is over the 150 ms" in placement.reason


def test_each_cluster_has_a_control_plane_and_a_worker_of_its_own(site_file: Path) -> None:
    for one in cluster_sites(load_site(site_file)):
        assert sorted(host.role for host in one.hosts.nodes) == ["control-plane", "worker"]
