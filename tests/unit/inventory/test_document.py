"""The inventory document: who is in which group, and what each host is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.inventory.document import Sources, inventory
from portolan.inventory.hosts import MadeHost, made_hosts
from portolan.inventory.sources import bundle_entries
from portolan.sites.schema import Site

SITE = {
    "name": "port",
    "tier": "starter",
    "topology": "on-prem",
    "workload": {"declarations_per_day": 100},
    "hosts": {
        "provider": "sandbox",
        "nodes": [
            {"name": "control-1", "role": "control-plane"},
            {"name": "worker-1", "role": "worker", "pool": "cpu"},
            {"name": "worker-2", "role": "worker", "pool": "gpu", "simulated_accelerators": {"nvidia.com/gpu": 4}},
        ],
    },
}
MADE = MadeHost(
    name="worker-2",
    address="10.89.0.12",
    ssh_user="portolan",
    private_key="/state/ssh/id_ed25519",
    facts={"cgroup_driver": "cgroupfs"},
)
IMAGE = {"reference": "registry.k8s.io/pause:3.10.2", "path": "images/pause.tar", "sha256": "ab", "nodes": ["worker"]}


def sources(**more: object) -> Sources:
    return Sources(site=Site.model_validate(SITE), state="/state", bundle="/bundle", **more)


def existing_site() -> Site:
    hosts = {
        "provider": "existing",
        "ssh": {"user": "ops", "port": 2222, "private_key": "/keys/ops"},
        "nodes": [{"name": "control-1", "role": "control-plane", "address": "10.89.0.20"}],
    }
    return Site.model_validate({**SITE, "hosts": hosts})


def test_groups_follow_role_and_pool():
    document = inventory(sources())
    assert document["control_plane"]["hosts"] == ["control-1"]
    assert document["workers"]["hosts"] == ["worker-1", "worker-2"]
    assert document["cpu"]["hosts"] == ["worker-1"]
    assert document["gpu"]["hosts"] == ["worker-2"]
    assert document["all"]["children"] == ["control_plane", "workers"]


def test_hosts_that_are_not_made_yet_are_listed_without_an_address():
    variables = inventory(sources())["_meta"]["hostvars"]["worker-1"]
    assert "ansible_host" not in variables
    assert variables["node_role"] == "worker"


def test_a_made_host_brings_its_address_key_and_facts():
    variables = inventory(sources(made={"worker-2": MADE}))["_meta"]["hostvars"]["worker-2"]
    assert variables["ansible_host"] == "10.89.0.12"
    assert variables["ansible_ssh_private_key_file"] == "/state/ssh/id_ed25519"
    assert variables["cgroup_driver"] == "cgroupfs"
    assert "StrictHostKeyChecking=yes" in variables["ansible_ssh_common_args"]


def test_an_existing_host_is_reached_as_the_site_file_says():
    made = Sources(site=existing_site(), state="/state", bundle="/bundle")
    variables = inventory(made)["_meta"]["hostvars"]["control-1"]
    assert variables["ansible_host"] == "10.89.0.20"
    assert (variables["ansible_user"], variables["ansible_port"]) == ("ops", 2222)
    assert variables["ansible_ssh_private_key_file"] == "/keys/ops"


def test_real_hosts_carry_none_of_a_sandbox_hosts_facts():
    made = Sources(site=existing_site(), state="/state", bundle="/bundle")
    variables = inventory(made)["_meta"]["hostvars"]["control-1"]
    assert not {"cgroup_driver", "systemd_limits_cleared", "portolan_bundle_path"} & set(variables)


def test_simulated_accelerators_are_named_as_simulated():
    variables = inventory(sources())["_meta"]["hostvars"]["worker-2"]
    assert variables["node_capacity"] == {"nvidia.com/gpu": "4"}
    assert variables["node_labels"]["portolan.dev/accelerator"] == "simulated"
    assert variables["node_annotations"] == {"portolan.dev/simulated-accelerators": "nvidia.com/gpu=4"}


def test_versions_are_those_of_the_bundles_images():
    api = {**IMAGE, "reference": "registry.k8s.io/kube-apiserver:v1.36.3"}
    variables = inventory(sources(images=(IMAGE, api)))["all"]["vars"]
    assert variables["kubernetes_version"] == "v1.36.3"
    assert variables["pause_image"] == "registry.k8s.io/pause:3.10.2"


def test_a_damaged_list_of_hosts_names_the_file(tmp_path: Path):
    (tmp_path / "hosts.json").write_text('{"site": "port", "hosts": [{"name": "worker-1"}]}', encoding="utf-8")
    with pytest.raises(PortolanError, match=r"hosts\.json.*hosts\.0\.address"):
        made_hosts(tmp_path)


def test_a_damaged_index_of_the_bundle_names_the_remedy(tmp_path: Path):
    (tmp_path / "index.json").write_text("[]", encoding="utf-8")
    with pytest.raises(PortolanError, match="portolan bundle build"):
        bundle_entries(tmp_path)


def test_ansible_reads_the_inventory_of_the_example_site(tmp_path: Path):
    environment = {
        **os.environ,
        "PORTOLAN_SITE": str(paths.REPOSITORY / "sites" / "sandbox.yaml"),
        "PORTOLAN_STATE": str(tmp_path),
        "ANSIBLE_CONFIG": str(paths.REPOSITORY / "ansible" / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "LC_ALL": "C.UTF-8",
    }
    program = Path(sys.executable).parent / "ansible-inventory"
    script = paths.REPOSITORY / "ansible" / "inventory" / "portolan.py"
    listed = subprocess.run(
        [str(program), "-i", str(script), "--list"], env=environment, check=True, capture_output=True, text=True
    )
    document = json.loads(listed.stdout)
    assert set(document["_meta"]["hostvars"]) == {"control-1", "worker-1", "worker-2"}
    assert document["gpu"]["hosts"] == ["worker-2"]
