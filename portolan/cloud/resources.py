"""Resources of a cloud stack as data, and what of them every consumer reads: rules, costs, pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Properties = Mapping[str, Any]

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
AZURE_CLUSTER = "azure-native:containerservice:ManagedCluster"
AZURE_POOL = "azure-native:containerservice:AgentPool"
GOOGLE_POOL = "gcp:container/nodePool:NodePool"
PROVIDERS = {"aws": "aws", "azure-native": "azure", "gcp": "gcp"}
PURPOSE, PURCHASE = "portolan.dev/purpose", "portolan.dev/purchase"


@dataclass(frozen=True)
class Resource:
    """A resource as the engine was asked for it. `protected` None: not known."""

    kind: str
    name: str
    properties: Properties
    protected: bool | None = None
    urn: str = ""

    @property
    def provider(self) -> str:
        """Return `aws`, `azure` or `gcp`; empty for what belongs to no cloud."""
        return PROVIDERS.get(self.kind.split(":")[0], "")


@dataclass(frozen=True)
class Nodes:
    """A pool of nodes, whoever runs it. `disk_gibibytes` is that of one node."""

    instance: str
    purpose: str
    purchase: str
    count: int
    least: int
    most: int
    disk_gibibytes: float = 0.0


def node_pools(resource: Resource) -> list[Nodes]:
    """Return the pools of nodes that a resource asks for; none where it is no cluster and no pool."""
    return list(_node_pools(resource))


def _node_pools(resource: Resource) -> Iterator[Nodes]:
    given = resource.properties
    if resource.kind == NODE_GROUP:
        scaling = given.get("scalingConfig") or {}
        for instance in given.get("instanceTypes") or ():
            yield _nodes(instance, given.get("labels"), scaling, "desiredSize", "minSize", "maxSize", None)
    elif resource.kind in (AZURE_CLUSTER, AZURE_POOL):
        for pool in [given] if resource.kind == AZURE_POOL else given.get("agentPoolProfiles") or ():
            yield _nodes(
                pool.get("vmSize", ""),
                pool.get("nodeLabels"),
                pool,
                "count",
                "minCount",
                "maxCount",
                pool.get("osDiskSizeGB"),
            )
    elif resource.kind == GOOGLE_POOL:
        nodes, scaling = given.get("nodeConfig") or {}, dict(given.get("autoscaling") or {})
        zones = max(1, len(given.get("nodeLocations") or ()))
        least, most = scaling.get("totalMinNodeCount") or 0, scaling.get("totalMaxNodeCount") or 0
        # Google counts a zone. Until it says how many run, a pool has its least, or what it grows to when it is used.
        runs = given.get("nodeCount")
        scaling["count"] = (least or most) if runs is None else int(runs) * zones
        yield _nodes(
            nodes.get("machineType", ""),
            nodes.get("labels"),
            scaling,
            "count",
            "totalMinNodeCount",
            "totalMaxNodeCount",
            nodes.get("diskSizeGb"),
        )


def _nodes(
    instance: str, labels: Properties | None, scaling: Properties, count: str, least: str, most: str, disk: Any
) -> Nodes:
    known = labels or {}
    return Nodes(
        instance=instance,
        purpose=str(known.get(PURPOSE, "")),
        purchase=str(known.get(PURCHASE, "on-demand")),
        count=int(scaling.get(count) or 0),
        least=int(scaling.get(least) or 0),
        most=int(scaling.get(most) or 0),
        disk_gibibytes=float(disk or 0),
    )


def at(properties: Properties, path: str) -> Any:
    """Return the value at a dotted path; None where there is none on the way.

    >>> at({"encryption": {"status": "enabled"}}, "encryption.status")
    'enabled'
    """
    value: Any = properties
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def of_state(document: Mapping[str, Any]) -> list[Resource]:
    """Return the resources of an exported stack (`pulumi stack export`), with the inputs that were deployed."""
    return [_of_state(one, "inputs") for one in _exported(document)]


def running(document: Mapping[str, Any]) -> list[Resource]:
    """Return the same resources as the provider last said they are: after `pulumi refresh`, what runs."""
    return [_of_state(one, "outputs") for one in _exported(document)]


def _of_state(one: Mapping[str, Any], which: str) -> Resource:
    urn = str(one["urn"])
    return Resource(
        kind=str(one["type"]),
        name=urn.rsplit("::", 1)[-1],
        properties={**(one.get("inputs") or {}), **(one.get(which) or {})},
        protected=bool(one.get("protect")),
        urn=urn,
    )


def _exported(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    deployment = document.get("deployment") or {}
    return [one for one in deployment.get("resources") or () if one.get("custom") and not one.get("delete")]
