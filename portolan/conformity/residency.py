"""Whether sensitive data can leave the site: what the cluster refuses, and where pods of sensitive namespaces run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Reading, nothing
from portolan.sites.locations import DataClass
from portolan.sizing.placement import CLASS_LABEL, KIND_LABEL, REQUIREMENT

if TYPE_CHECKING:
    from portolan.conformity.world import World

TIMEOUT_SECONDS = 10
CLOUD = "cloud"


def probe_pod() -> dict[str, Any]:
    """Return a pod as strict as any namespace asks, which wants one thing that none may have: a host in the cloud."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    small = {"cpu": "1m", "memory": "1Mi"}
    container = {
        "name": "probe", "image": "probe", "securityContext": security,
        "resources": {"requests": small, "limits": small},
    }  # fmt: skip
    spec = {"containers": [container], "nodeSelector": {KIND_LABEL: CLOUD}}
    return {"metadata": {"name": "portolan-probe"}, "spec": spec}


def astray(pods: list[tuple[str, str, str]], sensitive: set[str], in_the_cloud: set[str]) -> list[str]:
    """Return the pods, each a namespace, a name and a node, of sensitive namespaces on nodes in the cloud.

    >>> astray([("scores", "one", "cloud-1"), ("public", "two", "cloud-1")], {"scores"}, {"cloud-1"})
    ['scores/one on cloud-1']
    """
    return [
        f"{namespace}/{name} on {node}"
        for namespace, name, node in pods
        if namespace in sensitive and node in in_the_cloud
    ]


def probe_namespace() -> dict[str, Any]:
    """Return a namespace that says of itself what none in the cloud may say."""
    return {"metadata": {"name": "portolan-probe", "labels": {CLASS_LABEL: DataClass.SENSITIVE.value}}}


def kept_out(world: World, sensitive: set[str]) -> Reading:
    """Return whether a cluster that is in the cloud whole has nothing sensitive, and refuses it (dry run)."""
    from kubernetes import client

    if sensitive:
        return Reading(False, detail=f"namespaces {', '.join(sorted(sensitive))} hold sensitive data in the cloud")
    try:
        world.core.create_namespace(probe_namespace(), dry_run="All", _request_timeout=TIMEOUT_SECONDS)
    except client.ApiException as error:
        if REQUIREMENT in str(error.body):
            return Reading(True, detail="no namespace of this cluster is sensitive, and one that says so is refused")
        return Reading(False, detail=f"a sensitive namespace is refused for another reason: {error.reason}")
    return Reading(False, detail="a namespace for sensitive data may be made in the cloud")


def residency(world: World, subject: str, statistic: str) -> Reading:
    """Return whether no sensitive pod runs in the cloud, and each sensitive namespace refuses one (dry run)."""
    from kubernetes import client

    found = world.core.list_node(_request_timeout=TIMEOUT_SECONDS).items
    in_the_cloud = {one.metadata.name for one in found if (one.metadata.labels or {}).get(KIND_LABEL) == CLOUD}
    here = world.plan.placement.here_kind if world.plan.placement else None
    if not in_the_cloud and here is None:
        return nothing("no node of this cluster is in the cloud: nothing to keep apart")
    namespaces = world.core.list_namespace(_request_timeout=TIMEOUT_SECONDS).items
    sensitive = {
        one.metadata.name
        for one in namespaces
        if (one.metadata.labels or {}).get(CLASS_LABEL) == DataClass.SENSITIVE.value
    }
    if here == CLOUD:
        return kept_out(world, sensitive)
    if not sensitive:
        return Reading(False, detail=f"no namespace says by {CLASS_LABEL} that it holds sensitive data")
    pods = world.core.list_pod_for_all_namespaces(_request_timeout=TIMEOUT_SECONDS).items
    lost = astray(
        [(one.metadata.namespace, one.metadata.name, one.spec.node_name or "") for one in pods], sensitive, in_the_cloud
    )
    if lost:
        return Reading(False, detail=", ".join(lost[:3]))
    for namespace in sorted(sensitive):
        try:
            world.core.create_namespaced_pod(namespace, probe_pod(), dry_run="All", _request_timeout=TIMEOUT_SECONDS)
        except client.ApiException as error:
            if REQUIREMENT not in str(error.body):
                return Reading(False, detail=f"{namespace} refuses for another reason: {error.reason}")
        else:
            return Reading(False, detail=f"{namespace} lets a pod into the cloud")
    told = f"{', '.join(sorted(sensitive))}: none of {len(pods)} pods is in the cloud, and one that asks is refused"
    return Reading(True, detail=told)


CHECKS = (
    Check(
        "cluster.residency", "no sensitive pod runs in the cloud, and one that asks for it is refused", "yes/no",
        "GET nodes, namespaces, pods; POST pods?dryRun=All", residency, ground="measured",
    ),
)  # fmt: skip
