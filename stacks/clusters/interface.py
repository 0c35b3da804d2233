"""What the platform needs to know of a cluster, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes


@dataclass(frozen=True)
class StorageOffer:
    """How the cluster gives block storage: by a class of its own, or by directories of its hosts."""

    kind: Literal["class", "local-directories"]
    class_name: str
    directory: str = ""  # local directories: where they lie on each host
    count_per_host: int = 0
    capacity_bytes: int = 0
    hosts: tuple[str, ...] = ()
    hosts_in_cloud: tuple[str, ...] = ()  # of these: their directories have a class of their own

    @property
    def class_name_in_cloud(self) -> str:
        """The class of directories of hosts in the cloud."""
        return f"{self.class_name}-cloud"


@dataclass(frozen=True)
class NodePoolView:
    """Nodes that a capability may ask for."""

    name: str
    pool: str
    hosts: tuple[str, ...]
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cluster:
    """A cluster that stands: its API, its storage, its nodes, and how it is reached from outside."""

    provider: kubernetes.Provider
    storage: StorageOffer
    object_store: Literal["in-cluster"]
    node_pools: tuple[NodePoolView, ...]
    load_balancer: Literal["node-port", "cloud"]
    addresses: tuple[str, ...]
    ready: tuple[pulumi.Resource, ...] = ()  # what must stand before the platform does
