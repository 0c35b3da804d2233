"""What racked hosts' devices need in the cluster, each part only where the plan has what it serves."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import yaml

from portolan.requirements import load_requirements
from portolan.sizing.devices import plan_devices
from portolan.sizing.engine import size
from stacks.platform.device_plugin import IMAGE
from stacks.platform.devices import ALERTS, COUNTERS, Devices, DevicesArgs
from stacks.policies.pods import least_privilege, pinned_images
from stacks.policies.shapes import Limits
from stacks.rehearsal import Rehearsal, rehearse
from tests.support.clouds import plan_of
from tests.unit.sites.test_devices import site

DAEMON, CONFIG = "kubernetes:apps/v1:DaemonSet", "kubernetes:core/v1:ConfigMap"
H100 = {"accelerators": {"model": "h100", "count": 8}}
SPLIT = {"accelerators": {"model": "h100", "count": 8, "partitions": {"3g.40gb": 1, "1g.10gb": 4}}}


def declared(**more: Any) -> Rehearsal:
    plan = plan_devices(site(**more))
    assert plan is not None

    def program() -> None:
        Devices("devices", DevicesArgs(plan))

    return rehearse(program, "harbour")


def pod(stack: Rehearsal, name: str) -> dict[str, Any]:
    (found,) = (one.inputs for one in stack.of(DAEMON) if one.name == name)
    return found["spec"]["template"]["spec"]


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container["env"]}


def data(stack: Rehearsal, name: str) -> dict[str, str]:
    (found,) = (one.inputs["data"] for one in stack.of(CONFIG) if one.name == name)
    return found


def test_racked_gpus_get_runtime_class_device_plugin_and_metrics():
    stack = declared(host=H100)
    (runtime,) = stack.of("kubernetes:node.k8s.io/v1:RuntimeClass")
    assert (runtime.inputs["metadata"]["name"], runtime.inputs["handler"]) == ("nvidia", "nvidia")
    assert {one.name for one in stack.of(DAEMON)} == {"nvidia-device-plugin", "dcgm-exporter"}


def test_containers_get_devices_by_the_plugin_alone():
    plugin = pod(declared(host=H100), "nvidia-device-plugin")
    (container,) = plugin["containers"]
    assert plugin["runtimeClassName"] == "nvidia"
    assert environment(container)["DEVICE_LIST_STRATEGY"] == "volume-mounts"
    assert "MIG_STRATEGY" not in environment(container)
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_they_run_on_hosts_with_such_gpus_and_on_no_simulated_ones():
    affinity = pod(declared(host=H100), "dcgm-exporter")["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "portolan.dev/accelerator", "operator": "In", "values": ["h100"]}]


def test_parts_of_gpus_are_resources_of_their_own():
    stack = declared(host=SPLIT)
    assert environment(pod(stack, "nvidia-device-plugin")["containers"][0])["MIG_STRATEGY"] == "mixed"
    assert "nvidia-mig-manager" not in {one.name for one in stack.of(DAEMON)}  # the hosts split by themselves


def test_the_manager_knows_every_layout_that_a_node_may_ask_for():
    stack = declared(host=SPLIT, accelerators={"partitioning": "manager"})
    layouts = yaml.safe_load(data(stack, "nvidia-mig-manager")["config.yaml"])["mig-configs"]
    assert layouts["portolan-4x1g.10gb-1x3g.40gb"] == [
        {"devices": "all", "mig-enabled": True, "mig-devices": {"1g.10gb": 4, "3g.40gb": 1}}
    ]
    affinity = json.dumps(pod(stack, "nvidia-device-plugin")["affinity"])
    assert "nvidia.com/gpu.deploy.device-plugin" in affinity  # it is away while GPUs are split
    (role,) = (one.inputs for one in stack.of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"))
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in role["rules"])


def test_the_manager_is_left_out_where_there_is_nothing_to_split():
    stack = declared(host=H100, accelerators={"partitioning": "manager"})
    assert "nvidia-mig-manager" not in {one.name for one in stack.of(DAEMON)}


def test_metrics_can_be_left_out():
    stack = declared(host=H100, accelerators={"exporter": False})
    assert {one.name for one in stack.of(DAEMON)} == {"nvidia-device-plugin"}
    assert not stack.of(CONFIG)


def test_adapters_are_shared_as_the_resource_that_the_site_names():
    stack = declared(host={}, network={"rdma": {"interfaces": ["ib0", "ib1"], "resource": "fabric", "most_pods": 16}})
    (shared,) = json.loads(data(stack, "rdma-shared-device-plugin")["config.json"])["configList"]
    assert (shared["resourcePrefix"], shared["resourceName"], shared["rdmaHcaMax"]) == ("rdma", "fabric", 16)
    assert shared["selectors"] == {"ifNames": ["ib0", "ib1"]}
    assert not stack.of("kubernetes:node.k8s.io/v1:RuntimeClass")


EVERYTHING = {
    "host": SPLIT,
    "accelerators": {"partitioning": "manager", "image_registry": "registry.example:5000/mirror"},
    "network": {"rdma": {"interfaces": ["ib0"]}},
}


def test_every_image_comes_from_the_sites_registry_where_it_has_one():
    images = [pod(declared(**EVERYTHING), name)["containers"][0]["image"] for name in (
        "nvidia-device-plugin", "dcgm-exporter", "nvidia-mig-manager", "rdma-shared-device-plugin",
    )]  # fmt: skip
    assert all(image.startswith("registry.example:5000/mirror/") for image in images)


def test_the_policies_find_nothing_wrong():
    resources = [one.rule for one in declared(**EVERYTHING).resources]
    limits = Limits(allowed_regions=())
    found = [
        one for rule in (least_privilege, pinned_images) for resource in resources for one in rule(resource, limits)
    ]
    assert found == []


def test_every_alert_rests_on_a_figure_that_is_exported():
    known = {name for name, _, _ in COUNTERS}
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
    for rule in rules:
        assert any(name in rule["expr"] for name in known), rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
    assert "GpuXidError" in data(declared(host=H100), "accelerator-alerts")["rules.yaml"]


@pytest.mark.parametrize("provider", ["aws", "azure"])
def test_a_cloud_gets_the_same_plugin_without_a_runtime_class(provider: str):
    from stacks.clusters import services
    from stacks.clusters.rented import arguments, rent

    def program() -> None:
        args = arguments(plan_of(provider), "v1.36.3")
        services.connect(rent(args), args)

    stack = rehearse(program, provider)
    plugin = pod(stack, "nvidia-device-plugin")
    assert "runtimeClassName" not in plugin
    assert plugin["containers"][0]["image"] == IMAGE
    assert set(environment(plugin["containers"][0])) == {"FAIL_ON_INIT_ERROR"}
    assert [one.kind for one in stack.resources if one.kind.endswith("DevicePlugin")]


def test_the_program_declares_devices_only_where_the_plan_has_some(settings, program_of, registered):
    kind = "portolan:platform:Devices"
    assert not registered.of(kind)
    nodes = {"host": H100}
    plan = size(site(**nodes), load_requirements())
    assert len(program_of(dataclasses.replace(settings, plan=plan)).of(kind)) == 1
