"""From the plan to the lines that a bidder quotes.

Quantities and minima come from the plan alone. CPV codes are those of Regulation (EC) No 213/2008; unit codes are those
of UN/CEFACT recommendation 20 (C62: one, ANN: year).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from portolan.costing.book import load_catalogue
from portolan.costing.shapes import CatalogueItem, CostReport
from portolan.report.content import Bill, BillLine
from portolan.report.estimate import estimated
from portolan.report.language import Tongue
from portolan.report.specifications import group_name, pool_specification
from portolan.requirements.schema import Requirements
from portolan.sites.schema import Site
from portolan.sizing.plan import Plan, Quantity

CPV: Final = {
    "server": "48822000",  # computer servers
    "storage": "30233141",  # redundant array of independent disks
    "network": "32420000",  # network equipment
    "installation": "51600000",  # installation services of computers and office equipment
    "training": "80533100",  # computer training services
    "cloud": "72300000",  # data services
    "maintenance": "50300000",  # repair and maintenance of computers and related equipment
}
ONE, YEAR = "C62", "ANN"


def bill_of(
    site: Site,
    plan: Plan,
    requirements: Requirements,
    tongue: Tongue,
    costs: CostReport | None = None,
    catalogue: Mapping[str, CatalogueItem] | None = None,
    bought: Plan | None = None,
) -> Bill:
    """Return the bill of quantities: with the estimate of the chosen option, or of the plan without prices."""
    if costs is not None and bought is not None:
        lines = estimated(site, plan, bought, requirements, tongue, costs, catalogue or load_catalogue())
        return Bill(currency=costs.currency, lines=numbered(lines))
    goods = [*_servers(plan, tongue), *_storage(plan, tongue), *_network(plan, tongue)]
    everything = [*goods, *_services(plan, requirements, tongue), *_rented(plan, tongue), *_recurrent(tongue)]
    return Bill(currency=None, lines=numbered(everything))


def numbered(everything: Sequence[BillLine]) -> tuple[BillLine, ...]:
    """Return the lines of both schedules with their numbers, what is supplied first."""
    supply = [line for line in everything if line.schedule == "supply"]
    yearly = [line for line in everything if line.schedule == "recurrent"]
    return tuple(
        line.model_copy(update={"number": f"{schedule}.{place}"})
        for schedule, group in ((1, supply), (2, yearly))
        for place, line in enumerate(group, 1)
    )


def requirement_ids(quantities: Iterable[Quantity]) -> tuple[str, ...]:
    """Return the requirements that were weighed for these quantities, each once, in the order in which they appear."""
    return tuple(
        dict.fromkeys(
            reason.requirement for quantity in quantities for reason in quantity.reasons if reason.requirement
        )
    )


def _servers(plan: Plan, tongue: Tongue) -> list[BillLine]:
    lines = []
    for pool in plan.pools:
        members = {f"host/{host.name}" for host in plan.hosts if host.node_pool == pool.name}
        targets = [target for target in plan.targets if target.subject in members]
        ids = requirement_ids((pool.count, pool.cpu_cores, pool.memory_bytes, pool.disk_bytes, pool.accelerators))
        asked = [target.requirement for target in targets if target.check.startswith("host.")]
        lines.append(
            BillLine(
                number="0",
                item=f"pools.{pool.name}",
                schedule="supply",
                title=tongue.say("bill.server", pool=group_name("pool", pool.name, tongue)),
                specification=pool_specification(pool, plan, tongue),
                quantity=Decimal(int(pool.count)),
                unit=tongue.say("bill.unit.server"),
                unit_code=ONE,
                cpv=CPV["server"],
                requirements=tuple(dict.fromkeys([*ids, *asked])),
                checks=tuple(dict.fromkeys(target.check for target in targets)),
            )
        )
    return lines


def _storage(plan: Plan, tongue: Tongue) -> list[BillLine]:
    # What is rented is paid each year; what stands on the premises is bought once.
    rented = plan.host_provider == "cloud"
    lines = []
    for field, check in (
        ("object_store_bytes", "platform.object-store"),
        ("network_file_system_bytes", ""),
        ("block_bytes", ""),
    ):
        quantity: Quantity = getattr(plan.storage, field)
        if quantity.value <= 0:
            continue
        lines.append(
            BillLine(
                number="0",
                item=f"storage.{field}",
                schedule="recurrent" if rented else "supply",
                title=tongue.say(f"bill.storage.{field}"),
                specification=(
                    tongue.say(f"specification.{field}", value=tongue.quantity(quantity.value, "bytes")),
                    tongue.say("specification.storage"),
                ),
                quantity=Decimal(1),
                unit=tongue.say("bill.unit.year" if rented else "bill.unit.lot"),
                unit_code=YEAR if rented else ONE,
                cpv=CPV["cloud" if rented else "storage"],
                requirements=requirement_ids((quantity,)),
                checks=(check,) if check and any(target.check == check for target in plan.targets) else (),
            )
        )
    return lines


def _network(plan: Plan, tongue: Tongue) -> list[BillLine]:
    link = plan.network.node_link_bits_per_second
    ports = sum(int(pool.count) for pool in plan.pools)
    if not ports:
        return []
    return [
        BillLine(
            number="0",
            item="network.node_link_bits_per_second",
            schedule="supply",
            title=tongue.say("bill.network"),
            specification=(
                tongue.say("specification.ports", speed=tongue.quantity(link.value, "bits/s")),
                tongue.say("specification.switch"),
            ),
            quantity=Decimal(ports),
            unit=tongue.say("bill.unit.port"),
            unit_code=ONE,
            cpv=CPV["network"],
            requirements=requirement_ids((link,)),
            checks=("host.link-speed",) if any(target.check == "host.link-speed" for target in plan.targets) else (),
        )
    ]


def _services(plan: Plan, requirements: Requirements, tongue: Tongue) -> list[BillLine]:
    platform = tuple(dict.fromkeys(target.requirement for target in plan.targets if "/" not in target.subject))
    checks = tuple(dict.fromkeys(target.check for target in plan.targets if "/" not in target.subject))
    return [
        BillLine(
            number="0",
            item="services.installation",
            schedule="supply",
            title=tongue.say("bill.installation"),
            specification=tongue.many("specification.installation"),
            quantity=Decimal(1),
            unit=tongue.say("bill.unit.lot"),
            unit_code=ONE,
            cpv=CPV["installation"],
            requirements=platform,
            checks=checks,
        ),
        BillLine(
            number="0",
            item="services.training",
            schedule="supply",
            title=tongue.say("bill.training"),
            specification=tongue.many("specification.training"),
            quantity=Decimal(1),
            unit=tongue.say("bill.unit.lot"),
            unit_code=ONE,
            cpv=CPV["training"],
        ),
    ]


def _rented(plan: Plan, tongue: Tongue) -> list[BillLine]:
    """Return what is rented in a cloud: instances by group, each described by what it must give."""
    lines = []
    for pool in plan.cloud.pools if plan.cloud else ():
        specification = [
            tongue.say("specification.cores", value=tongue.number(pool.cpu_cores)),
            tongue.say("specification.memory", value=tongue.quantity(pool.memory_bytes, "bytes")),
            tongue.say("specification.hours", hours=tongue.number(pool.hours_per_month)),
        ]
        if pool.accelerators:
            specification.append(tongue.count("specification.accelerators", pool.accelerators))
        lines.append(
            BillLine(
                number="0",
                item=f"cloud.{pool.pool}",
                schedule="recurrent",
                title=tongue.say("bill.instances", pool=group_name("purpose", pool.purpose, tongue)),
                specification=tuple(specification),
                quantity=Decimal(int(pool.count)),
                unit=tongue.say("bill.unit.instance_year"),
                unit_code=YEAR,
                cpv=CPV["cloud"],
                requirements=requirement_ids((pool.count,)),
            )
        )
    return lines


def _recurrent(tongue: Tongue) -> list[BillLine]:
    return [
        BillLine(
            number="0",
            item="services.maintenance",
            schedule="recurrent",
            title=tongue.say("bill.maintenance"),
            specification=tongue.many("specification.maintenance"),
            quantity=Decimal(1),
            unit=tongue.say("bill.unit.year"),
            unit_code=YEAR,
            cpv=CPV["maintenance"],
        )
    ]
