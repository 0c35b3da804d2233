"""What an option spends on the lines of the report's cost tables, each in the table's own unit."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from portolan.costing.shapes import BillLine, Option, total_of


def spent_on(name: str, option: Option, years: int) -> Decimal | None:
    """Return what the option spends on the line called `name` (in English); None where it buys nothing of the kind.

    Once or a year, by the line's unit; what is bought once counts in a yearly line with its share of the horizon.
    """
    bought = [line for line in option.bill.lines if line.category == "capex"]
    yearly = [line for line in option.bill.lines if line.category == "opex"]
    servers = [line for line in bought if line.catalogue_item.startswith("server-")]
    match name:
        case "High-performance server":
            return max((line.unit_price for line in servers), default=None)
        case "GPU":
            return max((line.unit_price for line in bought if _is_gpu(line)), default=None)
        case "Local and shared storage":
            return _sum(line for line in bought if line.group == "storage")
        case "Network storage":
            return _sum(line for line in bought if line.item.endswith(".network_file_system_bytes"))
        case "Cloud compute":
            return _sum(line for line in yearly if line.group == "compute")
        case "Cloud storage":
            return _sum(line for line in yearly if line.group == "storage")
        case "Data lake in the cloud":
            return max((line.unit_price for line in yearly if line.item.endswith(".object-store")), default=None)
        case "Fast interconnect":
            switches = _sum(line for line in bought if line.group == "network")
            return None if switches is None else switches / years
        case "Network bandwidth":
            return _sum(line for line in yearly if line.item.endswith(".egress"))
    return None


def _is_gpu(line: BillLine) -> bool:
    _, _, name = line.item.split(".", 2)
    return name.startswith("gpu-") and not line.catalogue_item.startswith("server-")


def _sum(lines: Iterable[BillLine]) -> Decimal | None:
    amounts = [line.total for line in lines]
    return total_of(amounts) if amounts else None
