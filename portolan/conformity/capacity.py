"""How much the platform holds and whether it can grow: volumes, classes, replicas; and whether code made what runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Reading, nothing
from portolan.conformity.depth import Depth
from portolan.conformity.store import NAMESPACE as STORE_NAMESPACE
from portolan.conformity.store import SERVICE as STORE_SERVICE
from portolan.conformity.world import NAMESPACES

if TYPE_CHECKING:
    from portolan.conformity.world import World

TIMEOUT_SECONDS = 10
SCORING = "risk-scoring"
# Who may have made a workload, by the name that it leaves on the object's fields.
CODE = ("pulumi", "helm")


def bytes_of(text: str) -> float:
    """Return the bytes of a Kubernetes quantity.

    >>> bytes_of("10Gi"), bytes_of("500M"), bytes_of("1000")
    (10737418240.0, 500000000.0, 1000.0)
    """
    from kubernetes.utils.quantity import parse_quantity

    return float(parse_quantity(text))


def store_bytes(world: World, subject: str, statistic: str) -> Reading:
    """Return the volumes that the object store's pods have bound."""
    pods = world.core.list_namespaced_pod(STORE_NAMESPACE, _request_timeout=TIMEOUT_SECONDS).items
    claims = {
        volume.persistent_volume_claim.claim_name
        for pod in pods
        if pod.metadata.name.startswith(STORE_SERVICE)
        for volume in pod.spec.volumes or []
        if volume.persistent_volume_claim
    }
    if not claims:
        return nothing(f"no pod {STORE_NAMESPACE}/{STORE_SERVICE}-* has a persistent volume")
    sizes = {
        claim.metadata.name: bytes_of(claim.status.capacity["storage"])
        for claim in world.core.list_namespaced_persistent_volume_claim(
            STORE_NAMESPACE, _request_timeout=TIMEOUT_SECONDS
        ).items
        if claim.metadata.name in claims and claim.status.phase == "Bound"
    }
    if len(sizes) < len(claims):
        return nothing(f"{len(claims) - len(sizes)} of {len(claims)} claims of the object store are not bound")
    return Reading(sum(sizes.values()), detail=f"{len(sizes)} volumes, before copies: {', '.join(sorted(sizes))}")


def storage_grows(world: World, subject: str, statistic: str) -> Reading:
    """Return whether a storage class lets its volumes be expanded."""
    from kubernetes import client

    classes = client.StorageV1Api(world.api).list_storage_class(_request_timeout=TIMEOUT_SECONDS).items
    if not classes:
        return Reading(False, detail="the cluster has no storage class")
    growing = [found.metadata.name for found in classes if found.allow_volume_expansion]
    names = ", ".join(found.metadata.name for found in classes)
    return Reading(bool(growing), detail=", ".join(growing) if growing else f"{names} cannot be expanded")


def ready_nodes(slices: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the nodes that have a ready endpoint of the scoring service."""
    return {
        endpoint["nodeName"]
        for found in slices
        if (found["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "").startswith(SCORING)
        for endpoint in found.get("endpoints") or []
        if endpoint.get("nodeName") and (endpoint.get("conditions") or {}).get("ready")
    }


def serving_nodes(world: World, subject: str, statistic: str) -> Reading:
    """Return on how many nodes the scoring service is ready: with two it goes on when one fails."""
    from kubernetes import client

    # Read as it comes: the client's own model refuses a slice without endpoints, which the API server does give.
    answer = client.DiscoveryV1Api(world.api).list_namespaced_endpoint_slice(
        SCORING, _request_timeout=TIMEOUT_SECONDS, _preload_content=False
    )
    names = ready_nodes(json.loads(answer.data)["items"])
    return Reading(float(len(names)), detail=", ".join(sorted(names)) or "no endpoint is ready")


def by_hand(workloads: Sequence[Any]) -> list[str]:
    """Return the workloads that nothing but a person made: no field of theirs is code's, and no object owns them."""
    found = []
    for one in workloads:
        managers = {str(entry.manager or "").lower() for entry in one.metadata.managed_fields or []}
        if one.metadata.owner_references or any(manager.startswith(CODE) for manager in managers):
            continue
        found.append(f"{one.metadata.namespace}/{one.metadata.name} by {', '.join(sorted(managers)) or 'nobody'}")
    return found


def made_by_code(world: World, subject: str, statistic: str) -> Reading:
    """Return how many workloads of the platform's namespaces no code declares."""
    from kubernetes import client

    apps = client.AppsV1Api(world.api)
    workloads = [
        one
        for name in NAMESPACES
        for list_kind in (
            apps.list_namespaced_deployment, apps.list_namespaced_stateful_set, apps.list_namespaced_daemon_set,
        )
        for one in list_kind(name, _request_timeout=TIMEOUT_SECONDS).items
    ]  # fmt: skip
    if not workloads:
        return nothing("the platform's namespaces hold no workload")
    found = by_hand(workloads)
    return Reading(float(len(found)), detail=", ".join(found[:3]) or f"none of {len(workloads)} workloads")


def fair_groups(card: Mapping[str, Any]) -> Reading:
    """Return in how many ways of grouping a model's card tells errors by group, each with two groups or more."""
    kinds = card.get("evaluation", {}).get("fairness", {})
    told = {
        name: [group for group, one in kind.get("groups", {}).items() if "inspected_without_cause" in one]
        for name, kind in kinds.items()
        if isinstance(kind, dict)
    }
    good = {name: groups for name, groups in told.items() if len(groups) >= 2}
    detail = "; ".join(f"{name}: {len(groups)} groups" for name, groups in good.items())
    return Reading(float(len(good)), detail=detail or "the model's card compares no groups")


def fairness(world: World, subject: str, statistic: str) -> Reading:
    """Return by how many kinds of group the served model was tested for bias."""
    from portolan.conformity.platform import trained_model

    return fair_groups(trained_model(world)[1])


CHECKS = (
    Check("platform.object-store-bytes", "volumes of the object store, before copies", "bytes",
          "GET pods, persistentvolumeclaims", store_bytes, depth=Depth.STANDARD),
    Check("cluster.storage-grows", "a storage class lets its volumes be expanded", "yes/no", "GET storageclasses",
          storage_grows, depth=Depth.STANDARD),
    Check("platform.serving-nodes", "nodes with a ready endpoint of the scoring service", "nodes",
          "GET endpointslices", serving_nodes, depth=Depth.STANDARD),
    Check("platform.made-by-hand", "workloads of the platform's namespaces that no code declares", "workloads",
          "managedFields of deployments, statefulsets, daemonsets", made_by_code, depth=Depth.STANDARD),
    Check("platform.fairness-groups", "kinds of group by which the served model was tested for bias", "kinds",
          "card.json of the model", fairness, depth=Depth.STANDARD),
)  # fmt: skip
