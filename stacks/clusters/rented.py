"""What a cloud's cluster is made from and gives back: one small interface for three providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from ipaddress import IPv4Network
from typing import Protocol

import pulumi

from portolan.errors import PortolanError
from portolan.sizing.parts import CloudPlan, CloudPool
from portolan.sizing.plan import Plan

# Subnets of a zone: nodes and pods share the private one (the cloud's own CNI gives pods addresses of the network).
PRIVATE_PREFIX, PUBLIC_PREFIX = 19, 24
# Zones that a site gets when it names none: the first three, as the provider writes them.
FIRST_ZONES: Mapping[str, tuple[str, ...]] = {
    "aws": ("{region}a", "{region}b", "{region}c"),
    "azure": ("1", "2", "3"),
    "gcp": ("{region}-a", "{region}-b", "{region}-c"),
}
CLASSES = {"aws": "AmazonCluster", "azure": "AzureCluster", "gcp": "GoogleCluster"}
RETENTION_DAYS = 365  # an assumption: the report names no term for audit logs
# What every cloud keeps objects in, and which of them training and scoring may use.
BUCKETS = ("declarations", "models", "backups", "logs")
WORKLOAD_BUCKETS = ("declarations", "models")
# Where `portolan bundle push` puts the images that pods of the platform name.
REPOSITORIES = (
    "chrislusf/seaweedfs",
    "customs-models",
    "declarations",
    "kserve/kserve-controller",
    "kserve/storage-initializer",
    "kuberay/operator",
    "metrics-server/metrics-server",
    "risk-scoring",
    "risk-training",
)
WORKLOAD_NAMESPACE, WORKLOAD_ACCOUNT = "risk-scoring", "risk-scoring"


@dataclass(frozen=True)
class RentedArgs:
    """Inputs of a cluster in a cloud. `monthly_budget` is in US dollars; None: no alarm on cost."""

    name: str
    plan: CloudPlan
    zones: tuple[str, ...]
    addresses: IPv4Network
    pods: IPv4Network  # where the provider's network keeps them apart from nodes
    services: IPv4Network
    kubernetes_version: str = ""
    cost_centre: str = ""
    monthly_budget: float | None = None
    alarm_addresses: tuple[str, ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags that every resource carries."""
        return {"portolan:site": self.name, "portolan:cost-centre": self.cost_centre, "portolan:managed-by": "pulumi"}

    @property
    def labels(self) -> dict[str, str]:
        """Return the tags as Google writes labels: no colons, no capitals."""
        return {key.replace(":", "-"): label(value) for key, value in self.tags.items()}


@dataclass(frozen=True)
class Storage:
    """How the cluster's own drivers give volumes: driver and parameters of a class for blocks and one for files."""

    block_driver: str
    block: Mapping[str, pulumi.Input[str]]
    files_driver: str
    files: Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class Runtime:
    """What the cluster needs inside that this provider does not bring."""

    storage: Storage
    internal_load_balancer: Mapping[str, str]  # annotations of a Service that answers in the site's own network
    device_plugin: bool  # False: the provider installs NVIDIA's device plugin with the driver
    autoscaler: bool  # False: the provider scales node pools itself


class RentedCluster(Protocol):
    """A cluster that a provider runs."""

    endpoint: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]  # a secret without any key in it: it asks the provider for a token each time
    runtime: Runtime


def arguments(plan: Plan, kubernetes_version: str = "") -> RentedArgs:
    """Return the inputs of the plan's rented part.

    Raises PortolanError where the plan rents nothing.
    """
    cloud = plan.cloud
    if cloud is None:
        raise PortolanError(plan.site, "the plan rents nothing from a cloud", "use a site of topology cloud or hybrid")
    named = tuple(one.format(region=cloud.region) for one in FIRST_ZONES[cloud.provider])
    return RentedArgs(
        name=plan.site,
        plan=cloud,
        zones=cloud.zones or named,
        addresses=cloud.addresses,
        pods=plan.network.ranges.pods,
        services=plan.network.ranges.services,
        # A provider's own patch releases differ: it is asked for the minor version.
        kubernetes_version=".".join(kubernetes_version.removeprefix("v").split(".")[:2]),
        cost_centre=cloud.cost_centre,
        monthly_budget=cloud.monthly_budget_dollars,
        alarm_addresses=cloud.alarm_addresses,
    )


def rent(args: RentedArgs) -> RentedCluster:
    """Declare the cluster of the plan's provider, in the plan's region; only that provider's package is imported."""
    room = import_module(f"stacks.clusters.{args.plan.provider}")
    made = getattr(room, CLASSES[args.plan.provider])
    where = pulumi.ResourceOptions(providers=[room.provider(args)])
    cluster: RentedCluster = made(args.name, args, where)
    return cluster


def group_name(pool: CloudPool) -> str:
    """Return a name that is unique where a pool is bought in two ways."""
    return f"{pool.pool}-{pool.purchase}"


def node_labels(pool: CloudPool) -> dict[str, str]:
    """Return what the scheduler and the policies know nodes of a pool by."""
    return {
        "portolan.dev/pool": pool.pool,
        "portolan.dev/purpose": pool.purpose,
        "portolan.dev/purchase": pool.purchase,
    }


def node_taints(pool: CloudPool) -> list[tuple[str, str]]:
    """Keep what needs no GPU off GPU nodes, and what may not be interrupted off interruptible ones."""
    found = [("nvidia.com/gpu", "present")] if pool.accelerators else []
    return [*found, ("portolan.dev/interruptible", "true")] if pool.purchase == "interruptible" else found


def label(value: str) -> str:
    """Return a value as a label may be written: small letters, digits and hyphens, 63 at most.

    >>> label("Customs Risk/2")
    'customs-risk-2'
    """
    return re.sub(r"[^a-z0-9_-]", "-", value.lower())[:63]


def subnets(addresses: IPv4Network, zones: int) -> tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]]:
    """Return the private and the public subnets, one of each a zone; none overlap.

    >>> private, public = subnets(IPv4Network("10.64.0.0/16"), 2)
    >>> str(private[1]), str(public[0])
    ('10.64.32.0/19', '10.64.224.0/24')
    """
    blocks = list(addresses.subnets(new_prefix=PRIVATE_PREFIX))
    if zones >= len(blocks):
        raise ValueError(f"{addresses} has no room for {zones} zones")
    return tuple(blocks[:zones]), tuple(list(blocks[-1].subnets(new_prefix=PUBLIC_PREFIX))[:zones])
