"""The plan: one immutable, serialisable value that every consumer reads.

Each number is a `Quantity`: value, unit, and the reasons that set it. The largest reason binds.
"""

from __future__ import annotations

from typing import Literal

from portolan.model import Model
from portolan.sites.schema import HostRole, Network, Pool, Tier, Topology
from portolan.sizing.devices import DevicePlan
from portolan.sizing.features import HostFeature
from portolan.sizing.parts import (
    AcceleratorPlan,
    BackupPlan,
    CloudPlan,
    FacilityPlan,
    HardwareItem,
    MonitoringPlan,
    NotebookPlan,
    RegistryPlan,
    SparesPlan,
    StreamingPlan,
    TrafficPlan,
    YearPlan,
)
from portolan.sizing.placement import PlacementPlan
from portolan.sizing.quantity import Quantity, Reason

__all__ = [
    "AcceleratorPlan",
    "BackupPlan",
    "CloudPlan",
    "DevicePlan",
    "FacilityPlan",
    "HardwareItem",
    "HostFeature",
    "MonitoringPlan",
    "NetworkPlan",
    "NodePool",
    "NotebookPlan",
    "Operator",
    "PlacementPlan",
    "Plan",
    "PlannedHost",
    "Quantity",
    "Reason",
    "RegistryPlan",
    "ServicePlan",
    "SparesPlan",
    "StoragePlan",
    "StreamingPlan",
    "Target",
    "TrafficPlan",
    "Verdict",
    "YearPlan",
]

Verdict = Literal["pass", "fail", "not-measured"]
Operator = Literal[">=", "<=", "==", "present"]


class NodePool(Model):
    """Nodes of one role and pool, all alike. The quantities are per node, except `count`."""

    name: str
    role: HostRole
    pool: Pool
    count: Quantity
    cpu_cores: Quantity
    memory_bytes: Quantity
    disk_bytes: Quantity
    accelerators: Quantity
    accelerators_simulated: bool = False


class PlannedHost(Model):
    """One host of the plan, and the pool that it belongs to."""

    name: str
    node_pool: str
    role: HostRole
    pool: Pool
    address: str | None
    labels: dict[str, str] = {}
    taints: tuple[str, ...] = ()
    simulated_accelerators: dict[str, int] = {}


class ServicePlan(Model):
    """What one service asks of the cluster, per replica."""

    name: str
    replicas: Quantity
    cpu_millicores: Quantity
    memory_mebibytes: Quantity


class StoragePlan(Model):
    """The site's storage."""

    object_store_bytes: Quantity
    block_bytes: Quantity
    network_file_system_bytes: Quantity


class NetworkPlan(Model):
    """Address ranges from the site, and the link speed that the load needs."""

    ranges: Network
    node_link_bits_per_second: Quantity


class Target(Model):
    """A requirement with the number that this plan must reach."""

    id: str  # unique in the plan, for example "CPU-9.6.1-03/host.cpu-cores/worker-1"
    requirement: str
    subject: str  # "host/worker-1", "cluster", "platform", "endpoint/risk-scoring"
    check: str  # name of the check that measures it, for example "host.cpu-cores"
    operator: Operator
    value: float | str
    unit: str
    statistic: str = "value"
    simulated: bool = False


class Plan(Model):
    """What sizing answers.

    `portolan size SITE -o json` prints it; `Plan.model_validate_json` reads it back.
    """

    schema_version: Literal[1] = 1
    site: str
    site_digest: str  # sha256 of the canonical site value
    tier: Tier
    topology: Topology
    host_provider: Literal["existing", "sandbox", "cloud"]
    pools: tuple[NodePool, ...]
    hosts: tuple[PlannedHost, ...]
    services: tuple[ServicePlan, ...]
    storage: StoragePlan
    network: NetworkPlan
    targets: tuple[Target, ...]
    warnings: tuple[str, ...] = ()
    features: tuple[HostFeature, ...] = ()  # what hosts get beside Kubernetes, and which lines ask for it
    # What a site of the sandbox has no use for is None; an item that the load does not ask for has the value 0.
    accelerators: AcceleratorPlan | None = None
    streaming: StreamingPlan | None = None
    backup: BackupPlan | None = None
    registry: RegistryPlan | None = None
    notebooks: NotebookPlan | None = None
    monitoring: MonitoringPlan | None = None
    traffic: TrafficPlan | None = None
    spares: SparesPlan | None = None
    facility: FacilityPlan | None = None  # on-prem and hybrid
    hardware: tuple[HardwareItem, ...] = ()  # on-prem and hybrid
    cloud: CloudPlan | None = None  # cloud and hybrid
    clouds: tuple[CloudPlan, ...] = ()  # the whole load in each cloud, to compare; `portolan size` fills it
    years: tuple[YearPlan, ...] = ()  # year 1 is the first year of operation
    placement: PlacementPlan | None = None  # sites with several locations
    devices: DevicePlan | None = None  # sites whose racked hosts have accelerators, or that share RDMA adapters
    unmet: tuple[str, ...] = ()  # needs that nothing in the catalogue meets

    def has_service(self, name: str) -> bool:
        """Tell whether the plan has a service called `name`."""
        return any(service.name == name for service in self.services)

    def service(self, name: str) -> ServicePlan:
        """Return the service called `name`.

        Raises KeyError where the plan has no such service.
        """
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
