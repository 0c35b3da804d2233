"""Three ways to own the same platform, what each costs over the horizon, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from portolan.costing import shapes
from portolan.costing.bill import bill_of
from portolan.costing.shapes import Bill, CatalogueItem, CostReport, OptionName, PriceSource, cents
from portolan.requirements.schema import Requirements, Text
from portolan.sites.cloud import REGIONS, Cloud
from portolan.sites.schema import IN_THE_CLOUD, Host, HostRole, Hosts, Pool, Site, Topology
from portolan.sizing.engine import size
from portolan.sizing.plan import Plan

RANGES = Path(__file__).parent / "report_ranges.yaml"
# What the load may turn out to be, against what the site file says (planning assumption).
LOAD = (0.7, 1.0, 1.6)
RESIDUAL_SHARE = 0.05  # of the hardware's purchase price at the end of the horizon; 0 to 15 % is usual
HYBRID_SHARE = 0.5
CAVEAT = Text(
    en="Indicative range of the report; it depends on the environment, and is no offer.",
    fr="Fourchette indicative du rapport ; elle dépend de l'environnement et ne vaut pas offre.",
)
Array = NDArray[np.float64]


def twin(site: Site, option: OptionName) -> Site:
    """Return the site as it would be with another topology.

    What is owned is bought for the load of the horizon's last year; what is rented follows the load year by year.
    """
    load = site.workload
    share = load.share_on_site if load.share_on_site is not None else HYBRID_SHARE
    changed: dict[str, Any] = {"share_on_site": share}
    if option != "cloud":
        grown = (1 + load.growth_per_year) ** (load.horizon_years - 1)
        for key in ("declarations_per_day", "xray_images_per_day", "language_model_users"):
            changed[key] = math.ceil(getattr(load, key) * grown)
        changed["tracking_events_per_second"] = load.tracking_events_per_second * grown
    provider = site.finance.compare_provider
    cloud = site.cloud or Cloud(provider=provider, region=REGIONS[provider][1])
    hosts = site.hosts if site.hosts.provider == "existing" else _racked(site)
    return site.model_copy(
        update={
            "topology": Topology(option),
            "workload": load.model_copy(update=changed),
            "cloud": None if option == "on-prem" else cloud,
            "hosts": IN_THE_CLOUD if option == "cloud" else hosts,
        }
    )


def bought(site: Site, option: OptionName, requirements: Requirements, catalogue: Mapping[str, CatalogueItem]) -> Plan:
    """Return the plan that an option pays for: what is owned carries the load of the horizon's last year."""
    year = None if option == "cloud" else site.workload.horizon_years
    return size(twin(site, option), requirements, catalogue, year)


def _racked(site: Site) -> Hosts:
    roles = [("control", HostRole.CONTROL_PLANE, Pool.CPU)] * 3 + [("worker", HostRole.WORKER, Pool.CPU)] * 2
    load = site.workload
    if load.xray_images_per_day or load.language_model_users or any(job.kind != "trees" for job in load.training_jobs):
        roles.append(("gpu", HostRole.WORKER, Pool.GPU))
    nodes = tuple(
        Host(name=f"{name}-{place}", role=role, pool=pool, address=f"192.0.2.{10 + place}")
        for place, (name, role, pool) in enumerate(roles)
    )
    return Hosts(provider="existing", nodes=nodes)


def cost(
    site: Site,
    requirements: Requirements,
    catalogue: Mapping[str, CatalogueItem],
    today: date,
    draws: int = 1000,
    seed: int = 1,
) -> CostReport:
    """Return the cost report of a site: a pure function of its arguments."""
    horizon, growth, rate = site.workload.horizon_years, site.workload.growth_per_year, site.finance.discount_rate
    plans = {name: bought(site, name, requirements, catalogue) for name in shapes.OPTIONS}
    bills = {name: bill_of(twin(site, name), plans[name], name, catalogue, today) for name in shapes.OPTIONS}
    used = sorted({line.catalogue_item for bill in bills.values() for line in bill.lines if line.price})
    prices = {item: price for item in used if (price := catalogue[item].price) is not None}
    drawn = _draws(prices, draws, seed)
    # What each line weighs in the present value at the likely price and load.
    values = {name: _present(bills[name], drawn, horizon, growth, rate) for name in shapes.OPTIONS}
    options = tuple(
        _option(name, bills[name], plans[name], values[name], horizon, growth, rate) for name in shapes.OPTIONS
    )
    tornado = _tornado(bills, prices, horizon, growth, rate)
    order: tuple[OptionName, ...] = tuple(
        one.name for one in sorted(options, key=lambda one: (not one.feasible, one.present_value))
    )
    stacked = np.vstack([values[name] for name in shapes.OPTIONS])
    winners = np.argmin(stacked, axis=0)
    ranked = np.argsort(stacked, axis=0, kind="stable")
    expected = np.array([shapes.OPTIONS.index(name) for name in order])[:, None]
    by_year: dict[OptionName, tuple[Decimal, ...]] = {
        one.name: tuple(year.total for year in one.years) for one in options
    }
    ranks = {entry.driver: place for place, entry in reversed(list(enumerate(tornado, 1)))}
    cloud = twin(site, "cloud").cloud
    if cloud is None:
        raise ValueError("the cloud's twin has no cloud")
    chosen: OptionName = {"on-prem": "on-prem", "cloud": "cloud", "hybrid": "hybrid"}[site.topology.value]  # type: ignore[assignment]
    monthly = next(one for one in options if one.name == chosen).bill.opex_per_year / 12
    budget = None if cloud.monthly_budget is None else Decimal(str(cloud.monthly_budget))
    stale = [item for item, price in prices.items() if price.source.warning(today)]
    warnings = [f"{len(stale)} of {len(prices)} prices are older than 180 days: confirm them"] if stale else []
    assumed = sum(price.source.kind == "assumption" for price in prices.values())
    warnings.append(f"{assumed} of {len(prices)} prices are assumptions with a range, not published prices")
    warnings.append("hybrid: what is owned is sized for the whole load, so that the site can stand alone")
    warnings.append("cloud prices are those of the catalogue's reference region, not of the site's own")
    return CostReport(
        site=site.name,
        currency=site.finance.currency,
        per_us_dollar=Decimal(str(site.finance.exchange)),
        price_book_date=max(price.source.date for price in prices.values()),
        priced_on=today,
        horizon_years=horizon,
        discount_rate=rate,
        provider=cloud.provider,
        region=cloud.region,
        recommended=order[0],
        chosen=chosen,
        options=options,
        draws=draws,
        seed=seed,
        tornado=tornado,
        ranks=shapes.Ranks(
            cheapest={name: float(np.mean(winners == place)) for place, name in enumerate(shapes.OPTIONS)},
            likely_order=order,
            order_changes=float(np.mean(np.any(ranked != expected, axis=0))),
        ),
        break_even=_hours_of_use(bills, catalogue, site, _break_even(by_year["on-prem"], by_year["cloud"]), horizon),
        report_ranges=report_ranges(catalogue),
        assumptions=(
            _assumption("load", LOAD, "of the site file's load", None, ranks),
            *(
                _assumption(item, (float(p.low), float(p.likely), float(p.high)), "USD", p.source, ranks)
                for item, p in prices.items()
            ),
        ),
        over_budget=cents(monthly - budget) if budget is not None and monthly > budget else None,
        warnings=tuple(warnings),
    )


def _assumption(
    name: str, three: tuple[float, float, float], unit: str, source: PriceSource | None, ranks: Mapping[str, int]
) -> shapes.Assumption:
    own = PriceSource(name="planning assumption of this kit", date=date(2026, 11, 24), kind="assumption")
    return shapes.Assumption(
        id=name,
        name=Text(en=name, fr=name),
        low=three[0],
        likely=three[1],
        high=three[2],
        unit=unit,
        source=source or own,
        confidence="medium" if source is not None and source.kind == "published" else "low",
        sensitivity_rank=ranks.get(name),
    )


def _draws(prices: Mapping[str, shapes.PriceRange], draws: int, seed: int) -> dict[str, Array]:
    """Return a factor for the load and for each price, by Latin hypercube over PERT distributions."""
    from scipy.special import betaincinv  # type: ignore[import-untyped]

    unit = latin_hypercube(len(prices) + 1, draws, np.random.default_rng(seed))
    threes = {"load": LOAD}
    for item, price in prices.items():
        likely = float(price.likely)
        threes[item] = (float(price.low) / likely, 1.0, float(price.high) / likely)
    found: dict[str, Array] = {}
    for place, (name, (low, likely, high)) in enumerate(threes.items()):
        if high <= low:
            found[name] = np.full(draws, likely)
            continue
        first, second = 1 + 4 * (likely - low) / (high - low), 1 + 4 * (high - likely) / (high - low)
        found[name] = low + (high - low) * betaincinv(first, second, unit[:, place])
    return found


def latin_hypercube(dimensions: int, draws: int, generator: np.random.Generator) -> Array:
    """Return points of the unit cube, one in each of `draws` equal slices of every dimension.

    They are those of `scipy.stats.qmc.LatinHypercube`, whose package takes longer to import than a site to cost.
    """
    own = generator.spawn(1)[0]
    within = own.uniform(size=(draws, dimensions))
    slices = np.tile(np.arange(1, draws + 1), (dimensions, 1))
    for row in slices:
        own.shuffle(row)
    points: Array = (slices.T - within) / draws
    return points


def _present(bill: Bill, factors: Mapping[str, Array], horizon: int, growth: float, rate: float) -> Array:
    """Return the present value of an option in each draw; capacity scales with the load, minima do not shrink."""
    total: Array = np.zeros_like(factors["load"])
    for line in bill.lines:
        weight = _weight(line, horizon, growth, rate)
        grown = np.maximum(1.0, factors["load"]) if line.group in ("compute", "storage", "energy") else 1.0
        total = total + float(line.total) * weight * factors[line.catalogue_item] * grown
    return total


def _weight(line: shapes.BillLine, horizon: int, growth: float, rate: float) -> float:
    """Return what one unit of money on this line is worth in year 0, over all years."""
    if line.category == "capex":
        return 1.0 - RESIDUAL_SHARE / (1 + rate) ** horizon if line.is_hardware else 1.0
    return sum(_grows(line, growth) ** (year - 1) / (1 + rate) ** year for year in range(1, horizon + 1))


def _grows(line: shapes.BillLine, growth: float) -> float:
    rented = line.catalogue_item.startswith("cloud-object") or line.unit == "hour"
    return 1 + growth if rented and line.catalogue_item != "cloud-control-plane" else 1.0


def _option(
    name: OptionName, bill: Bill, plan: Any, values: Array, horizon: int, growth: float, rate: float
) -> shapes.Option:
    years = [shapes.YearCost(year=0, capex=bill.capex, opex=Decimal("0.00"), discounted=bill.capex)]
    for year in range(1, horizon + 1):
        opex = shapes.total_of(
            cents(line.total * Decimal(str(_grows(line, growth) ** (year - 1))))
            for line in bill.lines
            if line.category == "opex"
        )
        discounted = cents(opex / Decimal(str((1 + rate) ** year)))
        years.append(shapes.YearCost(year=year, capex=Decimal("0.00"), opex=opex, discounted=discounted))
    hardware = shapes.total_of(line.total for line in bill.lines if line.is_hardware)
    residual = cents(hardware * Decimal(str(RESIDUAL_SHARE / (1 + rate) ** horizon)))
    opex = shapes.total_of(year.opex for year in years)
    p10, p50, p90 = (cents(Decimal(str(value))) for value in np.quantile(values, (0.1, 0.5, 0.9)))
    facility = plan.facility
    energy = facility.energy_kilowatt_hours_per_year.value * horizon if facility else 0.0
    carbon = facility.carbon_kilograms_per_year.value * horizon if facility else 0.0
    return shapes.Option(
        name=name,
        feasible=not plan.unmet,
        unmet=plan.unmet,
        bill=bill,
        years=tuple(years),
        capex=bill.capex,
        opex=opex,
        residual=residual,
        total=bill.capex + opex,
        present_value=shapes.total_of(year.discounted for year in years) - residual,
        range=shapes.Distribution(p10=p10, p50=p50, p90=p90),
        energy_kilowatt_hours=Decimal(str(round(energy, 3))),
        carbon_kilograms=Decimal(str(round(carbon, 3))),
    )


def _tornado(
    bills: Mapping[OptionName, Bill], prices: Mapping[str, shapes.PriceRange], horizon: int, growth: float, rate: float
) -> tuple[shapes.TornadoEntry, ...]:
    likely = {name: np.ones(1) for name in ("load", *prices)}
    ends = {"load": (LOAD[0], LOAD[2])}
    ends |= {item: (float(p.low / p.likely), float(p.high / p.likely)) for item, p in prices.items()}
    entries = []
    for option, bill in bills.items():
        for driver, (low, high) in ends.items():
            at = [
                cents(Decimal(str(_present(bill, {**likely, driver: np.array([end])}, horizon, growth, rate)[0])))
                for end in (low, high)
            ]
            if at[0] != at[1]:
                entries.append(
                    shapes.TornadoEntry(
                        driver=driver,
                        name=Text(en=driver, fr=driver),
                        option=option,
                        input_low=low,
                        input_high=high,
                        cost_at_low=at[0],
                        cost_at_high=at[1],
                    )
                )
    return tuple(sorted(entries, key=lambda entry: -entry.swing))


def _break_even(owned: tuple[Decimal, ...], rented: tuple[Decimal, ...]) -> float | None:
    """Return the time, in years, at which the running sum of owning falls under that of renting."""
    gap = Decimal(0)
    for year, (one, other) in enumerate(zip(owned, rented, strict=True)):
        before, gap = gap, gap + one - other
        if gap <= 0:
            return (
                float(year) if year == 0 else year - 1 + float(before / (before - gap)) if before > gap else float(year)
            )
    return None


def _hours_of_use(
    bills: Mapping[OptionName, Bill],
    catalogue: Mapping[str, CatalogueItem],
    site: Site,
    years: float | None,
    horizon: int,
) -> shapes.BreakEven:
    """Return the break-even: a year of owned GPU servers, over an hour on demand of the instances that replace them.

    The owned year is the purchase over the horizon with its maintenance and residual value; energy is left out.
    """
    owned = [line for line in bills["on-prem"].lines if line.item.startswith("bill.on-prem.gpu-")]
    rented = next((line for line in bills["cloud"].lines if line.item == "bill.cloud.gpu"), None)
    if not owned or rented is None:
        return shapes.BreakEven(gpu_hours_per_year=None, gpu_item=None, gpu_instance=None, years=years)
    price, upkeep = catalogue[rented.catalogue_item].price, catalogue["maintenance"].price
    if price is None or upkeep is None:
        return shapes.BreakEven(gpu_hours_per_year=None, gpu_item=None, gpu_instance=None, years=years)
    purchase = float(sum(line.total for line in owned))
    a_year = purchase * ((1 - RESIDUAL_SHARE) / horizon + float(upkeep.likely))
    instances = float(rented.quantity) / 8760
    hours = a_year / (instances * float(price.likely) * site.finance.exchange)
    return shapes.BreakEven(
        gpu_hours_per_year=round(hours, 1) if hours <= 8760 else None,
        gpu_item=next(line.catalogue_item for line in owned if catalogue[line.catalogue_item].kind == "gpu"),
        gpu_instance=rented.catalogue_item,
        years=years,
    )


def report_ranges(catalogue: Mapping[str, CatalogueItem]) -> tuple[shapes.ReportRange, ...]:
    """Return the report's cost lines, beside today's price of the same thing where the catalogue has one."""
    found = []
    for row in YAML(typ="safe").load(RANGES.read_text(encoding="utf-8")):
        item = catalogue.get(row.get("priced_item", ""))
        priced = item.price.likely if item is not None and item.price is not None else None
        found.append(shapes.ReportRange(requirement=None, caveat=CAVEAT, priced=priced, **row))
    return tuple(found)
