"""The playbooks' own modules decide by pure functions; these are what they decide."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.ansible.loading import load

images = load("library/container_images.py")
nodes = load("library/node_properties.py")
cluster = load("filter_plugins/cluster.py")
probe = load("library/host_probe.py")

PAUSE = {"reference": "registry.k8s.io/pause:3.10.2", "path": "images/pause.tar", "sha256": "ab"}
RECORD = {PAUSE["reference"]: {"sha256": "ab", "digest": "sha256:11"}}


def test_an_image_that_was_imported_from_this_archive_and_is_still_there_is_not_imported_again():
    assert images.missing([PAUSE], {PAUSE["reference"]: "sha256:11"}, RECORD) == []


def test_an_image_is_imported_when_containerd_lost_it():
    assert images.missing([PAUSE], {}, RECORD) == [PAUSE]


def test_an_image_is_imported_when_somebody_put_another_under_its_name():
    assert images.missing([PAUSE], {PAUSE["reference"]: "sha256:22"}, RECORD) == [PAUSE]


def test_an_image_is_imported_when_the_bundle_has_a_newer_archive():
    newer = {**PAUSE, "sha256": "cd"}
    assert images.missing([newer], {PAUSE["reference"]: "sha256:11"}, RECORD) == [newer]


def node(labels: dict[str, str], annotations: dict[str, str], capacity: dict[str, str]) -> dict[str, object]:
    return {"metadata": {"labels": labels, "annotations": annotations}, "status": {"capacity": capacity}}


def test_a_node_that_is_as_wanted_is_left_alone():
    wanted = {"labels": {"portolan.dev/pool": "gpu"}, "annotations": {}, "capacity": {"nvidia.com/gpu": "4"}}
    present = node({"portolan.dev/pool": "gpu", "kubernetes.io/os": "linux"}, {}, {"cpu": "2", "nvidia.com/gpu": "4"})
    assert nodes.patches(present, wanted, "portolan.dev/") == ({}, {})


def test_labels_of_others_stay_and_own_ones_that_are_not_wanted_go():
    present = node({"portolan.dev/old": "x", "kubernetes.io/os": "linux"}, {}, {})
    metadata, status = nodes.patches(present, {"labels": {"portolan.dev/pool": "cpu"}}, "portolan.dev/")
    assert metadata == {"metadata": {"labels": {"portolan.dev/pool": "cpu", "portolan.dev/old": None}}}
    assert status == {}


def test_accelerators_that_are_not_simulated_any_more_are_taken_back():
    present = node({}, {"portolan.dev/simulated-accelerators": "nvidia.com/gpu=4"}, {"cpu": "2", "nvidia.com/gpu": "4"})
    _, status = nodes.patches(present, {"labels": {}, "annotations": {}, "capacity": {}}, "portolan.dev/")
    assert status == {"status": {"capacity": {"nvidia.com/gpu": None}}}


def test_nodes_without_a_pod_range_yet_are_left_out():
    ready = {
        "metadata": {"name": "worker-1"},
        "spec": {"podCIDR": "10.96.1.0/24"},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.89.0.11"}]},
    }
    fresh = {"metadata": {"name": "worker-2"}, "spec": {}, "status": {}}
    listed = json.dumps({"items": [ready, fresh]})
    assert cluster.pod_ranges(listed) == {"worker-1": {"pods": "10.96.1.0/24", "address": "10.89.0.11"}}


# As etcdctl 3.6 lists a member that was added as a learner and never started.
MEMBERS = json.dumps(
    {
        "members": [
            {"ID": 8098583205053993652, "peerURLs": ["https://10.89.0.12:2380"], "isLearner": True},
            {"ID": 15985099378392235387, "name": "control-1", "peerURLs": ["https://10.89.0.10:2380"]},
        ]
    }
)


def test_a_member_that_never_started_is_known_by_its_address():
    assert cluster.etcd_members(MEMBERS, ["control-2"], ["10.89.0.12"]) == ["7063f284513012b4"]


def test_a_member_of_another_name_is_left_though_its_address_is_taken():
    assert cluster.etcd_members(MEMBERS, ["control-2"], ["10.89.0.10"]) == []


def test_the_probe_sees_who_listens_on_this_machine():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert list(probe.listeners([port])) == [str(port)]
    assert probe.listeners([port]) == {}


BUSY = """
import os, socket, sys, threading
opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]
held = socket.create_server(("127.0.0.1", 0))  # its number is above theirs: it is looked at after them
def churn():
    global opened
    while True:
        for one in opened:
            os.close(one)
        opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]
threading.Thread(target=churn, daemon=True).start()
print(held.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_a_listener_is_named_though_its_process_opens_and_closes_files_all_the_time():
    busy = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(busy.stdout.readline())
        assert "unknown" not in {probe.listeners([port])[str(port)] for _ in range(50)}
    finally:
        busy.kill()
        busy.wait()
