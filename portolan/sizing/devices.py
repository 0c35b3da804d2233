"""What the cluster runs beside the platform for the devices of its hosts: accelerators, and RDMA adapters."""

from __future__ import annotations

from typing import Literal

from portolan.model import Model
from portolan.sites.accelerators import Accelerators
from portolan.sites.links import Rdma
from portolan.sites.schema import Site

ACCELERATOR_LABEL = "portolan.dev/accelerator"
CLIENT_LABEL = "nvidia.com/gpu.deploy."  # with a client's name: "true" lets the MIG manager pause it
CLIENTS = ("device-plugin", "dcgm-exporter")
PARTITIONS_LABEL = "nvidia.com/mig.config"  # what NVIDIA's MIG manager follows


class AcceleratedHost(Model):
    """A host with GPUs. `partitions` is the number of instances of each MIG profile on each GPU."""

    name: str
    model: str  # the GPU's name in the catalogue
    count: int
    partitions: dict[str, int] = {}


class DevicePlan(Model):
    """Devices by host, and who looks after them."""

    hosts: tuple[AcceleratedHost, ...] = ()
    partitioning: Literal["host", "manager"] = "host"
    exporter: bool = True
    image_registry: str | None = None
    rdma: Rdma | None = None

    @property
    def layouts(self) -> dict[str, dict[str, int]]:
        """Return the layouts that hosts ask for, by the name that a node's label carries."""
        return {layout_name(host.partitions): host.partitions for host in self.hosts if host.partitions}


def plan_devices(site: Site) -> DevicePlan | None:
    """Return what the site's devices need; None where racked hosts have none."""
    hosts = tuple(
        AcceleratedHost(name=node.name, **node.accelerators.model_dump())
        for node in site.hosts.nodes
        if node.accelerators is not None
    )
    if not hosts and (site.network.rdma is None or not site.hosts.nodes):
        return None
    chosen = site.accelerators or Accelerators()
    return DevicePlan(
        hosts=hosts,
        partitioning=chosen.partitioning,
        exporter=chosen.exporter,
        image_registry=chosen.image_registry,
        rdma=site.network.rdma,
    )


def layout_name(partitions: dict[str, int]) -> str:
    """Return the name of a layout: what is in it, as a label may say it.

    >>> layout_name({"3g.40gb": 1, "1g.10gb": 4})
    'portolan-4x1g.10gb-1x3g.40gb'
    """
    return "portolan-" + "-".join(f"{count}x{name}" for name, count in sorted(partitions.items()))
