"""Which lines of the bill a bidder answers a requirement with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from portolan.report.content import Bill, BillLine
from portolan.requirements.schema import Kind, Requirement

# The report's components that goods answer, and the families of lines that bring them.
FAMILIES: Final = {
    "Compute servers": "server",
    "CPU": "server",
    "Memory": "server",
    "Local storage": "server",
    "GPU": "gpu",
    "GPU servers": "gpu",
    "CPU instances": "instance",
    "GPU instances": "gpu-instance",
    "Network storage": "shared",
    "NAS and NFS": "shared",
    "Object storage": "object",
    "Block storage": "block",
    "Cloud storage": "object",
    "Cloud instances": "instance",
    "Instance disks": "disk",
    "Data centre network": "network",
    "Cloud network": "network",
    "Interconnect": "network",
    "Bandwidth": "network",
    "Growth": "network",
    "Latency": "network",
}
# A row whose component names more than it asks.
OWN_FAMILY: Final = {
    "GPU-9.5.2-01": "GPU",
    "CLD-9.5.3-01": "CPU instances",
    "CLD-9.5.3-02": "GPU instances",
    "STO-9.7.2-01": "Instance disks",
}
INSTANCES: Final = frozenset({"instance", "gpu-instance"})
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
    if room == "services" or (name == "control-plane" and line.schedule == "recurrent"):
        return frozenset()
    if name.endswith("-disk"):
        return frozenset({"disk"})
    rented = {"instance"} if line.schedule == "recurrent" else set[str]()
    if name.startswith(("gpu", "training")):
        # A GPU that is bought by itself is no host; a host or an instance with GPUs is both.
        alone = line.schedule == "supply" and line.item.startswith("bill.") and "server" not in name
        rented |= {f"gpu-{name}" for name in rented}
        return frozenset({"gpu"}) if alone else frozenset({"gpu", "server", *rented})
    return frozenset({"server", *rented} if name.startswith(("control-plane", "cpu", "storage", "system")) else ())


def lines_serving(row: Requirement, bill: Bill) -> tuple[str, ...]:
    """Return the numbers of the lines that a requirement is answered with, in the bill's order.

    What the plan traced to a line comes first, then the goods of the same family; instances answer what is asked of
    instances beside that. Software and services, and goods that this bill buys none of, come with the installation.
    """
    wanted = FAMILIES.get(OWN_FAMILY.get(row.id, row.component)) if row.kind in GOODS else None
    traced = any(row.id in line.requirements for line in bill.lines)
    beside = not traced or wanted in INSTANCES
    found = [line for line in bill.lines if row.id in line.requirements or (beside and wanted in families(line))]
    if not found:
        found = [line for line in bill.lines if line.item.endswith("installation")]
    return tuple(line.number for line in found)


def rows_served(line: BillLine, bill: Bill, rows: Iterable[Requirement]) -> tuple[str, ...]:
    """Return the requirements that a line of goods serves: those traced to it first, then those of its family.

    The installation, which answers all that no goods do, keeps to what was traced to it.
    """
    if not families(line):
        return line.requirements
    more = [row.id for row in rows if line.number in lines_serving(row, bill)]
    return tuple(dict.fromkeys([*line.requirements, *more]))
