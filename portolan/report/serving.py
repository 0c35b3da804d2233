"""Which lines of the bill a bidder answers a requirement with."""

from __future__ import annotations

from typing import Final

from portolan.report.content import Bill, BillLine
from portolan.requirements.schema import Kind, Requirement

# The report's components that goods answer, and the families of lines that bring them.
FAMILIES: Final = {
    "Compute servers": "server",
    "CPU": "server",
    "CPU instances": "server",
    "Memory": "server",
    "Local storage": "server",
    "GPU": "gpu",
    "GPU servers": "gpu",
    "GPU instances": "gpu",
    "Network storage": "shared",
    "NAS and NFS": "shared",
    "Object storage": "object",
    "Block storage": "block",
    "Cloud storage": "object",
    "Data centre network": "network",
    "Cloud network": "network",
    "Interconnect": "network",
    "Bandwidth": "network",
    "Growth": "network",
    "Latency": "network",
}
GOODS: Final = frozenset({Kind.HARDWARE, Kind.STORAGE, Kind.NETWORK})
STORES: Final = {
    "object_store_bytes": "object",
    "object-store": "object",
    "block_bytes": "block",
    "block": "block",
    "network_file_system_bytes": "shared",
    "shared": "shared",
    "node_link_bits_per_second": "network",
    "egress": "network",
}


def families(line: BillLine) -> frozenset[str]:
    """Return what a line brings: families of goods, none for services."""
    room, _, rest = line.item.partition(".")
    name = rest.rpartition(".")[2]
    if name in STORES:
        return frozenset({STORES[name]})
    if name.startswith("switch"):
        return frozenset({"network"})
    if room == "services" or name.endswith("-disk") or (name == "control-plane" and line.schedule == "recurrent"):
        return frozenset()
    if name.startswith(("gpu", "training")):
        # A GPU that is bought by itself is no host; a host or an instance with GPUs is both.
        alone = line.schedule == "supply" and line.item.startswith("bill.") and "server" not in name
        return frozenset({"gpu"}) if alone else frozenset({"gpu", "server"})
    return frozenset({"server"} if name.startswith(("control-plane", "cpu", "storage", "system")) else ())


def lines_serving(row: Requirement, bill: Bill) -> tuple[str, ...]:
    """Return the numbers of the lines that a requirement is answered with, in the bill's order.

    What the plan traced to a line comes first, then the goods of the same family; software and services, and goods that
    this bill buys none of, come with the installation.
    """
    traced = [line for line in bill.lines if row.id in line.requirements]
    if not traced and row.kind in GOODS:
        wanted = FAMILIES.get(row.component)
        traced = [line for line in bill.lines if wanted in families(line)]
    if not traced:
        traced = [line for line in bill.lines if line.item.endswith("installation")]
    return tuple(line.number for line in traced)
