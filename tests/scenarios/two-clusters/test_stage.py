"""Two clusters under one management: what is sensitive stays on site; training bursts in the cloud's own cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from portolan.inventory.members import cluster_files
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = pytest.mark.full

ID = "HYB-9.5.4-02"
BURST_SECONDS = 900
CARRIED_SECONDS = 360  # a turn of the carrier every two minutes, and one that found nothing yet
INNER = "10.78.0.11"
SENSITIVE = {"portolan.dev/data-class": "sensitive"}


@pytest.fixture(scope="module")
def clusters(stage: ScenarioSite) -> dict[str, ScenarioSite]:
    """Each location's cluster, reached by its own site file."""
    return {path.parent.name.removeprefix("long-line-"): ScenarioSite(path) for path in cluster_files(stage.path)}


@pytest.fixture(scope="module", autouse=True)
def long_line(stage: ScenarioSite) -> None:
    done = stage.portolan("sandbox", "line", "--delay-milliseconds", "150", "--bandwidth-megabits", "100")
    assert done.returncode == 0, done.stderr


def burst(cluster: ScenarioSite, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "rayjob", name, "-n", "bursts", "-o", "json"))
    return found


def test_each_location_has_a_cluster_of_its_own_hosts(clusters: dict[str, ScenarioSite]) -> None:
    nodes = {name: sorted(node["metadata"]["name"] for node in one.objects("nodes")) for name, one in clusters.items()}
    assert nodes == {"capital": ["control-1", "worker-1"], "region": ["cloud-1", "control-2"]}


def test_the_tunnel_joins_them_and_the_cloud_opens_nothing_on_site(stage: ScenarioSite) -> None:
    peers = json.loads(stage.must("tunnel", "status", "-o", "json").stdout)
    assert len(peers) == 2
    assert all(peer["up"] and peer["in_use"] for peer in peers)
    reach = "timeout 5 bash -c 'exec 3<>/dev/tcp/{}/{}'"
    assert stage.on("control-1", reach.format(INNER, 22)).returncode == 0
    for port in (22, 6443, 30080):
        assert stage.on("cloud-1", reach.format("10.77.0.11", port)).returncode != 0


def test_sensitive_namespaces_exist_on_site_alone(clusters: dict[str, ScenarioSite]) -> None:
    for name, cluster in clusters.items():
        spaces = cluster.objects("namespaces")
        sensitive = {
            one["metadata"]["name"]
            for one in spaces
            if one["metadata"]["labels"].get("portolan.dev/data-class") == "sensitive"
        }
        assert sensitive == ({"portolan-system", "risk-scoring"} if name == "capital" else set())


def test_whoever_asks_the_clouds_cluster_for_something_sensitive_is_refused(clusters: dict[str, ScenarioSite]) -> None:
    region = clusters["region"]
    for document in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stray", "labels": SENSITIVE}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "risk-scoring"}},
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayJob",
            "metadata": {"name": "stray", "namespace": "bursts", "labels": SENSITIVE},
            "spec": {"entrypoint": "true", "suspend": True, "activeDeadlineSeconds": 600},
        },
    ):
        done = region.try_kubectl("create", "-f", "-", text=json.dumps(document))
        assert done.returncode != 0
        assert ID in done.stderr


def test_a_burst_on_sensitive_data_is_refused_by_the_management(stage: ScenarioSite) -> None:
    done = stage.portolan("burst", "submit", "--name", "stray", "--data-class", "sensitive")
    assert done.returncode == 2
    assert ID in done.stderr


def test_anonymised_data_arrive_in_the_cloud_and_a_burst_learns_from_them(
    stage: ScenarioSite, clusters: dict[str, ScenarioSite], figure: Callable[..., None]
) -> None:
    wait_for(
        "the carrier ended well",
        lambda: [
            job
            for job in clusters["capital"].objects("jobs", "-n", "risk-scoring")
            if job["metadata"]["name"].startswith("carry-region") and job.get("status", {}).get("succeeded")
        ],
        seconds=CARRIED_SECONDS,
        pause_seconds=3,
    )
    begin = time.monotonic()
    done = stage.portolan("burst", "submit", "--name", "trial-1")
    assert done.returncode == 0, done.stderr
    wait_for(
        "the burst succeeds",
        lambda: burst(clusters["region"], "trial-1").get("status", {}).get("jobStatus") == "SUCCEEDED",
        seconds=BURST_SECONDS,
        pause_seconds=3,
    )
    figure("burst from submission to success", time.monotonic() - begin, "s", "portolan burst submit")
    spent = json.loads(stage.must("burst", "list", "-o", "json").stdout)["node_hours"]
    assert sum(spent.values()) > 0


def test_one_command_works_on_both_clusters(stage: ScenarioSite) -> None:
    stage.must("converge", "--expect-no-changes")
    stage.must("platform", "preview", "--expect-no-changes")
    verdicts = json.loads(stage.must("verify", "--only", "cluster.*", "-o", "json").stdout)
    assert [one["site"] for one in verdicts] == ["long-line-capital", "long-line-region"]
