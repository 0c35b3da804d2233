"""What the two programs, the platform's and that of a cloud's own cluster for bursts, say alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from portolan.sizing.placement import CLASS_LABEL
from portolan.sizing.plan import Plan
from stacks.clusters.interface import Cluster
from stacks.platform import bursts, kuberay
from stacks.platform.object_store import CLIENT_LABEL, Identity, ObjectStoreArgs
from stacks.settings import Settings

SYSTEM = "portolan-system"
RISK = "risk-scoring"
ANONYMISED_BUCKET = "anonymised"  # what bursts learn from
BURSTS_BUCKET = "bursts"  # what they make
CREDENTIALS = "object-store-credentials"


def object_store_args(
    settings: Settings,
    cluster: Cluster,
    buckets: Sequence[str],
    identities: Sequence[Identity],
    client_namespaces: Mapping[str, Identity],
) -> ObjectStoreArgs:
    """Return the store as the plan sizes it, no larger than the cluster's storage."""
    plan = settings.plan
    service = plan.service("object-store")
    return ObjectStoreArgs(
        namespace=SYSTEM,
        image=settings.sources.image("seaweedfs"),
        storage_class=cluster.storage.class_name,
        capacity_bytes=min(int(plan.storage.object_store_bytes), cluster.storage.capacity_bytes or 2**62),
        cpu_millicores=int(service.cpu_millicores),
        memory_mebibytes=int(service.memory_mebibytes),
        buckets=tuple(buckets),
        identities=tuple(identities),
        client_namespaces=dict(client_namespaces),
    )


def ray_args(settings: Settings) -> kuberay.KubeRayArgs:
    """Return KubeRay's operator as the plan sizes it."""
    service = settings.plan.service("kuberay-operator")
    return kuberay.KubeRayArgs(
        manifests=settings.sources.manifests("kuberay"),
        operator_image=settings.sources.image("kuberay-operator"),
        replicas=int(service.replicas),
        cpu_millicores=int(service.cpu_millicores),
        memory_mebibytes=int(service.memory_mebibytes),
    )


def namespace_labels(plan: Plan) -> dict[str, dict[str, str]]:
    """Return the labels of namespaces: who may reach the object store, and which data they hold."""
    labels = {SYSTEM: {CLIENT_LABEL: "true"}, RISK: {CLIENT_LABEL: "true"}}
    if plan.placement is not None:
        if bursts.NAMESPACE in plan.placement.namespaces:
            labels[bursts.NAMESPACE] = {CLIENT_LABEL: "true"}
        for namespace, data in plan.placement.namespaces.items():
            labels.setdefault(namespace, {})[CLASS_LABEL] = data.value
    return labels


def burst_identity(settings: Settings) -> dict[str, Identity]:
    """Return who bursts are to the object store: they read what is anonymised, and write beside it."""
    key, placement = settings.secrets.object_store_bursts, settings.plan.placement
    if placement is None or placement.here_kind == "on-site" or key is None:
        return {}
    reading = [f"{action}:{ANONYMISED_BUCKET}" for action in ("Read", "List")]
    writing = [f"{action}:{BURSTS_BUCKET}" for action in ("Read", "Write", "List")]
    return {bursts.NAMESPACE: Identity("bursts", key, reading + writing)}
