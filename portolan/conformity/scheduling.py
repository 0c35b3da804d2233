"""The scheduler before a thousand simulated nodes: how many pods it places a second, and what it does with a queue.

Nodes are objects without a machine: tainted, and without the label by which DaemonSets find Linux nodes, so that
nothing of the site's own lands on them. All goes afterwards, and what a run that was killed has left goes before the
next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth

if TYPE_CHECKING:
    from portolan.conformity.world import World

NODES = 1000
GPUS = 8
AT_ONCE = 8
NAMESPACE = "portolan-scheduling"
LABEL = "portolan.dev/simulated-node"
GPU = "nvidia.com/gpu"
TIMEOUT_SECONDS = 30
LIMIT_SECONDS = 240
WAIT_SECONDS = 3.0


def simulated_node(number: int, now: str) -> dict[str, Any]:
    """Return a node that is no machine: eight GPUs, Ready, tainted."""
    amounts = {"cpu": "64", "memory": "512Gi", "pods": "110", GPU: str(GPUS)}
    ready = {"type": "Ready", "status": "True", "reason": "Simulated", "message": "no machine stands behind this node",
             "lastHeartbeatTime": now, "lastTransitionTime": now}  # fmt: skip
    return {
        "metadata": {"name": f"simulated-{number:04}", "labels": {LABEL: "true"}},
        "spec": {"taints": [{"key": LABEL, "value": "true", "effect": "NoSchedule"}]},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }


def simulated_pod(name: str) -> dict[str, Any]:
    """Return a pod that fills a simulated node and fits on no other."""
    amounts = {"cpu": "1", "memory": "1Gi", GPU: str(GPUS)}
    return {
        "metadata": {"name": name},
        "spec": {
            "nodeSelector": {LABEL: "true"},
            "tolerations": [
                {"key": LABEL, "operator": "Exists"}, {"key": "node.kubernetes.io/not-ready", "operator": "Exists"},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists"},
            ],
            "automountServiceAccountToken": False,
            "containers": [{"name": "none", "image": "none", "resources": {"requests": amounts, "limits": amounts}}],
        },
    }  # fmt: skip


def rate_of(placed: int, seconds: float) -> Reading:
    """Return pods placed a second.

    >>> rate_of(1000, 10.0).value
    100.0
    """
    if placed < NODES:
        return nothing(f"{placed} of {NODES} pods were placed in {seconds:.0f} s")
    return Reading(placed / seconds, detail=f"{placed} pods on {NODES} simulated nodes in {seconds:.1f} s")


def clear(core: Any) -> None:
    """Take away all simulated nodes and pods; harmless where there are none."""
    from kubernetes import client

    core.delete_collection_namespaced_pod(NAMESPACE, grace_period_seconds=0, _request_timeout=TIMEOUT_SECONDS)
    try:
        core.delete_namespace(NAMESPACE, _request_timeout=TIMEOUT_SECONDS)
    except client.ApiException as error:
        if error.status != 404:
            raise
    core.delete_collection_node(label_selector=f"{LABEL}=true", _request_timeout=TIMEOUT_SECONDS)


def _wait(done: Callable[[], bool], limit: float) -> bool:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.2)
    return done()


def _gone(core: Any) -> bool:
    from kubernetes import client

    try:
        core.read_namespace(NAMESPACE, _request_timeout=TIMEOUT_SECONDS)
    except client.ApiException as error:
        return bool(error.status == 404)
    return False


def _bound(core: Any) -> int:
    pods = core.list_namespaced_pod(NAMESPACE, resource_version="0", _request_timeout=TIMEOUT_SECONDS).items
    return sum(1 for pod in pods if pod.spec.node_name)


def try_out(world: World) -> Mapping[str, Reading]:
    """Return the rate of placing and the time until a pod that waited got a place that became free."""
    core = world.core
    clear(core)
    if not _wait(lambda: _gone(core), TIMEOUT_SECONDS):
        return dict.fromkeys(("rate", "queue"), nothing(f"namespace {NAMESPACE} of an earlier run does not go"))
    try:
        return _placed(core)
    finally:
        clear(core)


def _placed(core: Any) -> Mapping[str, Reading]:
    core.create_namespace({"metadata": {"name": NAMESPACE}}, _request_timeout=TIMEOUT_SECONDS)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def join(number: int) -> None:
        body = simulated_node(number, now)
        core.create_node(body, _request_timeout=TIMEOUT_SECONDS)
        core.patch_node_status(body["metadata"]["name"], {"status": body["status"]}, _request_timeout=TIMEOUT_SECONDS)

    def ask(number: int) -> None:
        core.create_namespaced_pod(NAMESPACE, simulated_pod(f"pod-{number:04}"), _request_timeout=TIMEOUT_SECONDS)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(join, range(NODES)))
        begin = time.monotonic()
        list(pool.map(ask, range(NODES)))
    _wait(lambda: _bound(core) >= NODES, LIMIT_SECONDS)
    rate = rate_of(_bound(core), time.monotonic() - begin)
    return {"rate": rate, "queue": _queued(core) if rate.value is not None else rate}


def _queued(core: Any) -> Reading:
    """Return the seconds until a pod that found every node full was placed, once one of them became free."""
    core.create_namespaced_pod(NAMESPACE, simulated_pod("waiting"), _request_timeout=TIMEOUT_SECONDS)

    def placed() -> bool:
        return bool(core.read_namespaced_pod("waiting", NAMESPACE, _request_timeout=TIMEOUT_SECONDS).spec.node_name)

    time.sleep(WAIT_SECONDS)
    if placed():
        return nothing("a pod was placed on a node that was full")
    begin = time.monotonic()
    core.delete_namespaced_pod("pod-0000", NAMESPACE, grace_period_seconds=0, _request_timeout=TIMEOUT_SECONDS)
    if not _wait(placed, TIMEOUT_SECONDS):
        return nothing(f"the pod that waited was not placed in {TIMEOUT_SECONDS} s")
    return Reading(time.monotonic() - begin, detail=f"it waited {WAIT_SECONDS:.0f} s while all {NODES} nodes were full")


def _from(key: str) -> Callable[[World, str, str], Reading]:
    return lambda world, subject, statistic: world.remember("scheduling", lambda: try_out(world))[key]


_NEEDS = Needs(alone=True, seconds=by_depth(120), shares="scheduling")
CHECKS = (
    Check("cluster.pods-placed", f"pods that the scheduler places on {NODES} simulated nodes, each of {GPUS} GPUs",
          "pods/s", "POST nodes, pods", _from("rate"), depth=Depth.BURN_IN, ground="measured", needs=_NEEDS),
    Check("cluster.queue-seconds", "time until a pod that waited is placed, once a full node has become free",
          "seconds", "POST nodes, pods", _from("queue"), depth=Depth.BURN_IN, ground="measured", needs=_NEEDS),
)  # fmt: skip
