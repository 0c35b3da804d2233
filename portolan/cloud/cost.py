"""A month's cost by resource: the same function prices what the program declares, what was deployed and what runs."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from portolan.cloud.prices import HOURS, NODES, PRICED
from portolan.cloud.resources import NODE_GROUP, Nodes, Resource, at, node_pools
from portolan.costing.bill import FACTORS
from portolan.costing.shapes import CatalogueItem, cents, total_of
from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sizing.parts import CloudPlan

GIGABYTE, GIBIBYTE = Decimal(10**9), Decimal(2**30)


class CostLine(Model):
    """What one resource costs a month by one item of the catalogue, in US dollars."""

    resource: str
    kind: str
    item: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    monthly: Decimal
    price_date: datetime.date
    price_source: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what tells a line from others, whatever its amount."""
        return self.kind, self.resource, self.item


class Change(Model):
    """How a line differs: `before` or `after` is 0 where there was or will be none."""

    resource: str
    kind: str
    item: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        """Return by how much a month grows dearer."""
        return self.after - self.before


def monthly_lines(
    resources: Iterable[Resource], plan: CloudPlan | None, catalogue: Mapping[str, CatalogueItem]
) -> list[CostLine]:
    """Return what the resources cost a month; `plan` says how long nodes run and how much data there is.

    Without a plan, nodes run all month and what grows with data counts as empty. Raises PortolanError where an
    instance type has no price.
    """
    known = list(resources)
    return [line for one in known for line in _lines(one, known, plan, catalogue)]


def monthly_total(lines: Iterable[CostLine]) -> Decimal:
    """Return the sum of lines that are already rounded."""
    return total_of(line.monthly for line in lines)


def differences(before: Iterable[CostLine], after: Iterable[CostLine]) -> list[Change]:
    """Return the lines whose amount differs, the largest difference first."""
    old, new = _sums(before), _sums(after)
    changes = [
        Change(
            kind=key[0], resource=key[1], item=key[2], before=old.get(key, Decimal(0)), after=new.get(key, Decimal(0))
        )
        for key in dict.fromkeys([*old, *new])
    ]
    return sorted((one for one in changes if one.difference), key=lambda one: (-abs(one.difference), one.resource))


def _sums(lines: Iterable[CostLine]) -> dict[tuple[str, str, str], Decimal]:
    found: dict[tuple[str, str, str], Decimal] = {}
    for line in lines:
        found[line.key] = found.get(line.key, Decimal(0)) + line.monthly
    return found


def _lines(
    resource: Resource, known: list[Resource], plan: CloudPlan | None, catalogue: Mapping[str, CatalogueItem]
) -> Iterator[CostLine]:
    if resource.kind in NODES:
        for pool in node_pools(resource):
            hours = Decimal(pool.count) * Decimal(str(_hours(pool, plan)))
            factor = FACTORS[f"reserved-{plan.reserved_years if plan else 1}" if _reserved(pool, plan) else _way(pool)]
            yield _line(resource, pool.instance, hours, catalogue, factor)
            disk = Decimal(str(pool.disk_gibibytes or _disk(resource, known))) * GIBIBYTE / GIGABYTE
            yield from _some(resource, "cloud-block", disk * pool.count, catalogue)
    billed = PRICED.get(resource.kind)
    if billed is not None:
        yield from _some(resource, billed.item, _quantity(resource, billed.quantity, plan), catalogue)


def _reserved(pool: Nodes, plan: CloudPlan | None) -> bool:
    return pool.purchase == "reserved" and (plan is None or plan.reserved_years > 0)


def _way(pool: Nodes) -> str:
    return "interruptible" if pool.purchase == "interruptible" else "on-demand"


def _hours(pool: Nodes, plan: CloudPlan | None) -> float:
    """Return how long each node of a pool runs in a month: training has nodes only while it trains."""
    if plan is None:
        return float(HOURS)
    return next(
        (one.hours_per_month for one in plan.pools if one.purpose == pool.purpose and one.instance == pool.instance),
        float(HOURS),
    )


def _disk(resource: Resource, known: list[Resource]) -> float:
    """Return the GiB of a node's disk where another resource says it: at AWS, the launch template of the group."""
    if resource.kind != NODE_GROUP:
        return 0.0
    for one in known:
        if one.kind == "aws:ec2/launchTemplate:LaunchTemplate" and one.name.endswith(f"-{resource.name}"):
            devices = one.properties.get("blockDeviceMappings") or ()
            return float(sum(at(device, "ebs.volumeSize") or 0 for device in devices))
    return 0.0


def _quantity(resource: Resource, what: str, plan: CloudPlan | None) -> Decimal:
    given = resource.properties
    if what == "months":
        return Decimal(1)
    if what == "hours":
        internal = resource.kind != "kubernetes:core/v1:Service" or at(given, "spec.type") == "LoadBalancer"
        return Decimal(HOURS) if internal else Decimal(0)
    if what == "zones-hours":
        return Decimal(HOURS) * len(given.get("subnetIds") or ())
    if what == "share-gigabytes":
        size = given.get("shareQuota") or at(given, "fileShares.capacityGb") or 0
        return Decimal(str(size)) * GIBIBYTE / GIGABYTE
    if plan is None:
        return Decimal(0)
    if what == "shared-bytes":
        return Decimal(str(float(plan.shared_bytes))) / GIGABYTE
    if what == "object-bytes":
        # The plan knows one amount for all buckets: it stands with the first of them.
        first = resource.name == "declarations" or resource.name.endswith("-declarations")
        return Decimal(str(float(plan.object_store_bytes))) / GIGABYTE if first else Decimal(0)
    block = resource.name == "portolan-block"
    return Decimal(str(float(plan.block_bytes))) / GIGABYTE if block else Decimal(0)


def _some(
    resource: Resource, item: str, quantity: Decimal, catalogue: Mapping[str, CatalogueItem]
) -> Iterator[CostLine]:
    if quantity > 0:
        yield _line(resource, item, quantity, catalogue)


def _line(
    resource: Resource,
    item: str,
    quantity: Decimal,
    catalogue: Mapping[str, CatalogueItem],
    factor: Decimal = Decimal(1),
) -> CostLine:
    chosen = catalogue.get(item)
    if chosen is None or chosen.price is None:
        raise PortolanError(
            f"{resource.kind} {resource.name}",
            f"the catalogue has no price of '{item}'",
            "add it to a price book and give that with --price-book",
        )
    price = chosen.price.likely * factor
    return CostLine(
        resource=resource.name,
        kind=resource.kind,
        item=item,
        quantity=quantity,
        unit=chosen.unit,
        unit_price=price,
        monthly=cents(quantity * price),
        price_date=chosen.price.source.date,
        price_source=chosen.price.source.name,
    )
