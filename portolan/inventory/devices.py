"""What the roles `gpu` and `network` are told: pure functions from the site to variables of its hosts."""

from __future__ import annotations

from typing import Any

from portolan.sites.accelerators import Accelerators
from portolan.sites.links import Link
from portolan.sites.schema import Host, Site
from portolan.sizing.devices import ACCELERATOR_LABEL, CLIENT_LABEL, CLIENTS, PARTITIONS_LABEL, layout_name


def site_devices(site: Site) -> dict[str, Any]:
    """Return how accelerators are run on every host that has some; nothing where no host has."""
    if not any(node.accelerators for node in site.hosts.nodes):
        return {}
    chosen = site.accelerators or Accelerators()
    return {
        "accelerator_repositories": [one.model_dump(mode="json") for one in chosen.repositories],
        "accelerator_packages": chosen.packages or "",
        "accelerator_driver_branch": chosen.driver_branch or "",
        "accelerator_kernel_modules": chosen.kernel_modules,
        "accelerator_partitioning": chosen.partitioning,
        "accelerator_peer_memory": chosen.peer_memory,
        "accelerator_fabric_manager": chosen.fabric_manager,
    }


def host_devices(site: Site, node: Host) -> dict[str, Any]:
    """Return the devices of one host: its accelerators, its further links, and what it does for RDMA."""
    found: dict[str, Any] = {}
    if node.accelerators is not None:
        found["node_accelerators"] = node.accelerators.model_dump(mode="json")
    if node.links or site.network.rdma is not None:
        found["node_links"] = [link_variables(link) for link in node.links]
        found["node_rdma"] = site.network.rdma is not None or any(link.infiniband for link in node.links)
        found["node_subnet_manager"] = bool(site.network.rdma and site.network.rdma.subnet_manager == node.name)
    return found


def link_variables(link: Link) -> dict[str, Any]:
    """Return a link as the role reads it: what it is, and only the properties that were chosen."""
    return {"kind": link.kind, **link.model_dump(mode="json", exclude_none=True)}


def device_labels(site: Site, node: Host) -> dict[str, str]:
    """Return the labels of a node with accelerators of its own: their model, and how the MIG manager splits them."""
    if node.accelerators is None:
        return {}
    labels = {ACCELERATOR_LABEL: node.accelerators.model}
    managed = (site.accelerators or Accelerators()).partitioning == "manager"
    if managed and node.accelerators.partitions:
        labels[PARTITIONS_LABEL] = layout_name(node.accelerators.partitions)
        labels |= {CLIENT_LABEL + client: "true" for client in CLIENTS}
    return labels
