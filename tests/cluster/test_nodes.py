"""The cluster's nodes are the plan's hosts, and what they advertise is labelled for what it is."""

from __future__ import annotations

from portolan.conformity.judge import version

SLEEP = "import time; time.sleep(600)"
GPU = "nvidia.com/gpu"


def nodes(sandbox):
    return {node.metadata.name: node for node in sandbox.core.list_node().items}


def test_every_planned_host_is_a_ready_node(sandbox):
    ready = {
        name
        for name, node in nodes(sandbox).items()
        if any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    }
    assert ready == {host.name for host in sandbox.plan.hosts}


def test_every_node_runs_a_supported_kubernetes(sandbox):
    for name, node in nodes(sandbox).items():
        assert version(node.status.node_info.kubelet_version) >= (1, 35), name


def test_no_node_is_under_pressure(sandbox):
    for name, node in nodes(sandbox).items():
        pressed = [c.type for c in node.status.conditions if c.type.endswith("Pressure") and c.status != "False"]
        assert not pressed, name


def test_a_node_carries_the_address_of_its_host(sandbox):
    for name, node in nodes(sandbox).items():
        (address,) = [entry.address for entry in node.status.addresses if entry.type == "InternalIP"]
        assert address == sandbox.addresses[name].address


def test_simulated_accelerators_are_advertised_and_labelled_as_simulated(sandbox):
    for host in sandbox.plan.hosts:
        node = nodes(sandbox)[host.name]
        for resource, count in host.simulated_accelerators.items():
            assert node.status.allocatable[resource] == str(count)
            assert node.metadata.labels["portolan.dev/accelerator"] == "simulated"
            assert resource in node.metadata.annotations["portolan.dev/simulated-accelerators"]
        if not host.simulated_accelerators:
            assert GPU not in node.status.allocatable
            assert node.metadata.labels.get("portolan.dev/accelerator") != "simulated"


def test_a_pod_that_asks_for_an_accelerator_lands_where_there_is_one(sandbox, start_pod, wait_for_pod):
    (owner,) = [host.name for host in sandbox.plan.hosts if GPU in host.simulated_accelerators]
    start_pod("one-accelerator", SLEEP, resources={"limits": {GPU: "1"}})
    pod = wait_for_pod("one-accelerator", lambda pod: pod.spec.node_name)
    assert pod.spec.node_name == owner


def test_a_pod_that_asks_for_more_accelerators_than_there_are_waits(sandbox, start_pod, wait_for_pod):
    most = max(host.simulated_accelerators.get(GPU, 0) for host in sandbox.plan.hosts)
    start_pod("too-many-accelerators", SLEEP, resources={"limits": {GPU: str(most + 1)}})
    pod = wait_for_pod(
        "too-many-accelerators",
        lambda pod: any(c.type == "PodScheduled" and c.status == "False" for c in pod.status.conditions or []),
    )
    (refusal,) = [c.message for c in pod.status.conditions if c.type == "PodScheduled"]
    assert f"Insufficient {GPU}" in refusal
