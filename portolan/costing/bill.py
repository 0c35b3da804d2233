"""From a plan to priced lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from portolan.costing.shapes import Bill, BillLine, CatalogueItem, OptionName, Step, cents
from portolan.errors import PortolanError
from portolan.sites.schema import Site
from portolan.sizing.plan import Plan, Quantity, Reason
from portolan.sizing.reasons import FORMULAS, walk

Group = Literal["compute", "storage", "network", "facility", "energy", "staff", "software", "service"]
# Assumptions: what a commitment or interruptible capacity takes off the on-demand price, and engineers by option.
FACTORS = {
    "on-demand": Decimal(1),
    "reserved-1": Decimal("0.70"),
    "reserved-3": Decimal("0.50"),
    "interruptible": Decimal("0.40"),
}
ENGINEERS: Mapping[OptionName, int] = {"on-prem": 2, "cloud": 1, "hybrid": 2}
COPIES = Decimal(3)
# Assumptions, in days: racking and first start of a server, the platform itself, a course for those who will run it.
DAYS_PER_SERVER, DAYS_FOR_PLATFORM, DAYS_OF_COURSE = Decimal(2), Decimal(15), Decimal(10)
TERABYTE, GIGABYTE = Decimal(10**12), Decimal(10**9)
HOURS_OF_YEAR = Decimal(8760)


class Writer:
    """Collects the lines of one option's bill."""

    def __init__(self, site: Site, option: OptionName, catalogue: Mapping[str, CatalogueItem], today: date) -> None:
        self.site, self.option, self.catalogue, self.today = site, option, catalogue, today
        self.lines: list[BillLine] = []

    def add(
        self,
        name: str,
        item: str,
        quantity: Decimal,
        group: Group,
        yearly: bool,
        expression: str,
        source: Quantity | None = None,
        factor: Decimal = Decimal(1),
        own_price: float | None = None,
        inputs: dict[str, float] | None = None,
    ) -> None:
        """Add a line; nothing is added where the quantity is 0."""
        if quantity <= 0:
            return
        chosen = self.catalogue[item]
        if chosen.price is None:
            raise PortolanError(f"catalogue item {item}", "has no price", "give it a price, or choose another item")
        converted = chosen.price.likely * Decimal(str(self.site.finance.exchange)) * factor
        # A share of money has no currency to convert.
        if item == "maintenance":
            converted = chosen.price.likely
        unit_price = Decimal(str(own_price)) if own_price is not None else converted
        reasons = source.reasons if source is not None else ()
        binding = tuple(dict.fromkeys(reason.requirement for reason in reasons if reason.requirement))
        price = chosen.price.source
        steps = [
            _step(reason, depth, name, source.unit if source is not None and not depth else "")
            for weighed in reasons
            for depth, name, reason in walk(weighed)
        ]
        steps.append(
            Step(
                name="quantity",
                value=float(quantity),
                unit=chosen.unit,
                origin="formula",
                expression=expression,
                inputs=inputs or {},
            )
        )
        if factor != 1:
            steps.append(
                Step(name="purchase factor", value=float(factor), origin="constant", source="planning assumption")
            )
        own = own_price is not None
        steps.append(
            Step(
                name="unit price",
                value=float(unit_price),
                unit=f"{self.site.finance.currency} per {chosen.unit}",
                origin="input" if own else "price",
                source="finance, in the site file" if own else f"{price.name}, {price.date} ({price.kind})",
            )
        )
        self.lines.append(
            BillLine(
                item=f"bill.{self.option}.{name}",
                catalogue_item=item,
                option=self.option,
                name=chosen.name,
                specification=chosen.specification,
                quantity=quantity,
                unit=chosen.unit,
                unit_price=unit_price,
                total=cents(quantity * unit_price),
                category="opex" if yearly else "capex",
                group=group,
                every_years=1 if yearly else 0,
                requirement_ids=binding,
                chain=tuple(steps),
                reasons=reasons,
                price=chosen.price,
                cpv=chosen.cpv,
                warning=None if own else price.warning(self.today),
            )
        )


def _step(reason: Reason, depth: int, explains: str, unit: str) -> Step:
    name = reason.requirement or reason.formula or ""
    origin: Literal["input", "requirement", "constant", "formula", "choice"] = "constant"
    if reason.requirement:
        origin = "requirement"
    elif reason.formula in FORMULAS:
        origin = "formula"
    elif name.startswith("site."):
        origin = "input"
    elif name.startswith("choice."):
        origin = "choice"
    return Step(
        name=name,
        value=reason.value,
        unit=unit,
        origin=origin,
        expression=FORMULAS[reason.formula].expression if reason.formula in FORMULAS else "",
        source=reason.source,
        inputs=reason.inputs,
        depth=depth,
        explains=explains,
    )


def bill_of(site: Site, plan: Plan, option: OptionName, catalogue: Mapping[str, CatalogueItem], today: date) -> Bill:
    """Return the priced bill of a plan: what is bought, and the first year of operation."""
    writer = Writer(site, option, catalogue, today)
    if plan.hardware:
        _owned(writer, plan)
    if plan.cloud is not None:
        _rented(writer, plan)
    servers = Decimal(sum(int(item.count.value) for item in plan.hardware if catalogue[item.item].kind == "server"))
    days = servers * DAYS_PER_SERVER + DAYS_FOR_PLATFORM
    writer.add(
        "installation",
        "installation-day",
        days,
        "service",
        False,
        "2 days a server, 15 for the platform",
        inputs={"servers": float(servers)},
    )
    writer.add("course", "training-day", DAYS_OF_COURSE, "service", False, "planning assumption: a course of 10 days")
    writer.add(
        "staff",
        "engineer",
        Decimal(ENGINEERS[option]),
        "staff",
        True,
        "planning assumption: two engineers where hardware is owned, one where all is rented",
        own_price=site.finance.engineer_cost_per_year,
    )
    return Bill(option=option, currency=site.finance.currency, lines=tuple(writer.lines))


def _owned(writer: Writer, plan: Plan) -> None:
    for place, item in enumerate(plan.hardware, 1):
        group: Group = "network" if item.purpose == "switch" else "compute"
        count = Decimal(int(item.count.value))
        writer.add(
            f"{item.purpose}-{item.item}-{place}", item.item, count, group, False, "the plan's count", item.count
        )
    for name in ("object_store_bytes", "block_bytes", "network_file_system_bytes"):
        quantity: Quantity = getattr(plan.storage, name)
        # Disks are sold whole.
        terabytes = (Decimal(str(quantity.value)) / TERABYTE * COPIES).to_integral_value(ROUND_CEILING)
        writer.add(
            name,
            "disk-terabyte",
            terabytes,
            "storage",
            False,
            "usable TB * 3 copies, rounded up",
            quantity,
            inputs={"usable_terabytes": float(quantity.value / 1e12), "copies": float(COPIES)},
        )
    if plan.backup is not None:
        kept = plan.backup.stored_bytes
        terabytes = (Decimal(str(kept.value)) / TERABYTE).to_integral_value(ROUND_CEILING)
        writer.add(
            "backup",
            "backup-terabyte",
            terabytes,
            "storage",
            False,
            "usable TB, rounded up",
            kept,
            inputs={"usable_terabytes": float(kept.value / 1e12)},
        )
    if plan.facility is not None:
        facility = plan.facility
        writer.add("racks", "rack", Decimal(int(facility.racks.value)), "facility", False, "the plan's", facility.racks)
        energy = Decimal(str(facility.energy_kilowatt_hours_per_year.value))
        own = writer.site.finance.energy_price_per_kilowatt_hour
        used = facility.energy_kilowatt_hours_per_year
        writer.add("energy", "energy", energy, "energy", True, "the plan's", used, own_price=own)
    hardware = sum((line.total for line in writer.lines if line.category == "capex"), Decimal(0))
    writer.add(
        "maintenance",
        "maintenance",
        hardware,
        "service",
        True,
        "sum of the purchases",
        inputs={line.item.rsplit(".", 1)[-1]: float(line.total) for line in writer.lines if line.category == "capex"},
    )


def _rented(writer: Writer, plan: Plan) -> None:
    cloud = plan.cloud
    if cloud is None or writer.site.cloud is None:
        return
    years = writer.site.cloud.reserved_years
    for pool in cloud.pools:
        hours = Decimal(int(pool.count.value)) * Decimal(str(pool.hours_per_month)) * 12
        factor = FACTORS[f"reserved-{years}" if pool.purchase == "reserved" else pool.purchase]
        writer.add(
            pool.pool,
            pool.instance,
            hours,
            "compute",
            True,
            "nodes * hours a month * 12",
            pool.count,
            factor,
            inputs={"nodes": float(pool.count), "hours_per_month": pool.hours_per_month},
        )
        disk = Decimal(int(pool.count.value)) * Decimal(str(pool.disk_bytes.value)) / GIGABYTE * 12
        disk = disk.to_integral_value(ROUND_CEILING)
        writer.add(
            f"{pool.pool}-disk",
            "cloud-block",
            disk,
            "storage",
            True,
            "nodes * GB * 12",
            pool.disk_bytes,
            inputs={"nodes": float(pool.count), "gigabytes": pool.disk_bytes.value / 1e9},
        )
    # Where hosts are owned too, the backup is theirs.
    backups: tuple[tuple[str, str, Quantity, str], ...] = ()
    if plan.backup is not None and not plan.hardware:
        backups = (("backup-objects", "cloud-object", plan.backup.stored_bytes, "storage"),)
    for name, item, quantity, group in (
        ("object-store", "cloud-object", cloud.object_store_bytes, "storage"),
        ("block", "cloud-block", cloud.block_bytes, "storage"),
        ("shared", "cloud-files", cloud.shared_bytes, "storage"),
        *backups,
        ("egress", "cloud-egress", cloud.egress_bytes_per_month, "network"),
    ):
        gigabytes = (Decimal(str(quantity.value)) / GIGABYTE * 12).to_integral_value(ROUND_CEILING)
        chosen: Group = "network" if group == "network" else "storage"
        writer.add(
            name,
            item,
            gigabytes,
            chosen,
            True,
            "GB * 12 months, rounded up",
            quantity,
            inputs={"gigabytes": quantity.value / 1e9},
        )
    writer.add("control-plane", "cloud-control-plane", HOURS_OF_YEAR, "compute", True, "8,760 hours of a year")
    # What any cluster in a cloud stands on: its way out, its way in, and where its images lie.
    writer.add("way-out", "cloud-nat-gateway", HOURS_OF_YEAR, "network", True, "8,760 hours of a year")
    writer.add("load-balancer", "cloud-load-balancer", HOURS_OF_YEAR, "network", True, "8,760 hours of a year")
    writer.add("registry", "cloud-registry", Decimal(12), "service", True, "12 months of a year")
