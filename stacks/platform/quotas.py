"""How much each namespace may ask for: what the plan gives its services, and room for a change to roll out."""

from __future__ import annotations

from collections.abc import Mapping

from portolan.sites.locations import DataClass
from portolan.sizing.placement import NAMESPACE_CLASSES
from portolan.sizing.plan import Plan
from stacks.platform.namespaces import NamespaceSpec

SERVICES: Mapping[str, tuple[str, ...]] = {
    "portolan-system": ("object-store",),
    "kserve": ("kserve-controller",),
    "kuberay-system": ("kuberay-operator",),
    "risk-scoring": ("risk-scoring", "risk-training-head", "risk-training-worker"),
}
# During a rolling update old and new pods stand side by side; jobs and their submitters come on top.
ROOM_FACTOR = 2
ROOM_MILLICORES = 500
ROOM_MEBIBYTES = 2048
ROOM_PODS = 10


def namespace_specs(
    plan: Plan, pod_security: str, labels: Mapping[str, Mapping[str, str]]
) -> tuple[NamespaceSpec, ...]:
    """Return the namespaces with quotas that follow from the plan's services."""
    return tuple(
        NamespaceSpec(
            name=namespace,
            pod_security=pod_security,
            cpu_millicores=ROOM_MILLICORES + ROOM_FACTOR * sum(_total(plan, name, "cpu") for name in names),
            memory_mebibytes=ROOM_MEBIBYTES + ROOM_FACTOR * sum(_total(plan, name, "memory") for name in names),
            pods=ROOM_PODS + ROOM_FACTOR * sum(int(plan.service(name).replicas) for name in names),
            labels=labels.get(namespace, {}),
        )
        for namespace, names in _services(plan).items()
        if any(plan.has_service(name) for name in names) and _is_here(plan, namespace)
    )


def _is_here(plan: Plan, namespace: str) -> bool:
    """Tell whether a namespace is in this cluster: one in the cloud has none for what is sensitive."""
    in_the_cloud = plan.placement is not None and plan.placement.here_kind == "cloud"
    return (
        not in_the_cloud
        or NAMESPACE_CLASSES.get(namespace) is not DataClass.SENSITIVE
        or namespace in (plan.placement.namespaces if plan.placement else ())
    )


def _services(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the services of each namespace; the models that the site chose stand beside risk scoring."""
    always = {name for names in SERVICES.values() for name in names}
    chosen = tuple(service.name for service in plan.services if service.name not in always)
    return {**SERVICES, "risk-scoring": (*SERVICES["risk-scoring"], *chosen)}


def _total(plan: Plan, name: str, what: str) -> int:
    service = plan.service(name)
    each = service.cpu_millicores if what == "cpu" else service.memory_mebibytes
    return int(service.replicas) * int(each)
