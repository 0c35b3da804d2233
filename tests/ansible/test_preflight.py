"""Which hosts are refused before anything is changed: each case is a file named after what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.ansible.loading import load

preflight = load("filter_plugins/preflight.py")
CASES = sorted((Path(__file__).parent / "preflight").glob("*.yaml"))

GOOD: dict[str, Any] = {
    "distribution": "debian-12",
    "systemd": True,
    "architecture": "x86_64",
    "free_bytes": 50 * 10**9,
    "memory_bytes": 8 * 10**9,
    "cpu_count": 4,
    "listeners": {},
    "time_seconds": 1000.5,
    "kubelet_configured": False,
    "kubelet_version": "",
    "api_server_version": "",
    "certificate_ends": {"/etc/kubernetes/pki/apiserver.crt": "2027-11-25 02:00:00Z"},
    "control_plane": False,
    "control_plane_started": False,
    "control_plane_finished": False,
    "file_systems": [],
    "container": False,
}
NEEDS: dict[str, Any] = {
    "distributions": ["debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04"],
    "minimum_free_bytes": 10 * 10**9,
    "minimum_memory_bytes": 2 * 10**9,
    "minimum_cpu_count": 2,
    "started_seconds": 1000.0,
    "ended_seconds": 1001.0,
    "maximum_time_skew_seconds": 5,
    "machine_ids": {"worker-1": "aa", "worker-2": "bb"},
    "host": "worker-1",
    "network_plugin": "bridge",
    "charts": [],
    "images": 12,
    "control_planes": ["control-1"],
    "hosts_of_run": ["control-1", "worker-1", "worker-2"],
    "cluster_members": [],
    "virtual_address": "",
    "release": "v1.36.3",
}


def problems(host: dict[str, Any], needs: dict[str, Any]) -> list[str]:
    found: list[str] = preflight.preflight_problems({**GOOD, **host}, **{**NEEDS, **needs})
    return found


def test_a_good_host_is_let_in():
    assert problems({}, {}) == []


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_host_is_refused_with_what_is_wrong_and_a_remedy(path: Path):
    case = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    (found,) = problems(case.get("host", {}), case.get("needs", {}))
    assert case["says"] in found
    assert " Remedy: " in found


def test_every_problem_of_a_host_is_told_at_once():
    assert len(problems({"free_bytes": 1, "memory_bytes": 1, "cpu_count": 1}, {})) == 3


def test_kubernetes_own_listeners_are_no_strangers():
    assert problems({"listeners": {"6443": "kube-apiserver", "10250": "kubelet", "2379": "etcd"}}, {}) == []


def test_a_node_that_runs_already_may_have_a_full_disk():
    assert problems({"free_bytes": 1, "kubelet_configured": True}, {}) == []


NODE = {**GOOD, "kubelet_configured": True, "control_plane_finished": True}


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ("v1.34.9", "more than one minor release further"),
        ("v1.37.0", "newer than v1.36.3"),
    ],
)
def test_an_upgrade_goes_one_minor_release_forward(runs: str, says: str) -> None:
    host = {**NODE, "kubelet_version": runs, "api_server_version": runs}
    assert says in preflight.upgrade_problem(host, release="v1.36.3", control_plane=True)


@pytest.mark.parametrize("runs", ["v1.35.8", "v1.36.0", "v1.36.3"])
def test_an_upgrade_may_go_on_where_it_was_cut_short(runs: str) -> None:
    host = {**NODE, "kubelet_version": runs, "api_server_version": "v1.36.3"}
    assert preflight.upgrade_problem(host, release="v1.36.3", control_plane=True) == ""


def test_a_host_outside_the_cluster_is_not_upgraded() -> None:
    host = {**GOOD, "kubelet_version": "v1.35.8"}
    assert "no node of the cluster" in preflight.upgrade_problem(host, release="v1.36.3", control_plane=False)
