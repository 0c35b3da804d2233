"""What the site must carry, what is assumed, and how each number of the plan follows."""

from __future__ import annotations

from collections.abc import Iterator

from portolan.report import figures
from portolan.report.case import Case, cells
from portolan.report.chapters.reasons import why
from portolan.report.content import Cell, Column, Figure, Heading, Paragraph, Section, Table
from portolan.sizing.explanation import quantities
from portolan.sizing.plan import Quantity, Reason
from portolan.sizing.reasons import FORMULAS
from portolan.sizing.storage import kept_bytes

HORIZON_YEARS = 5
# Reasons that name a sum, a choice or an input, not a constant.
DERIVED = ("accelerators.", "choice.", "facility.", "notebooks.", "site.", "years.")
# A kind of load, and the figures that mean nothing without it.
DEPENDENTS = {
    "documents_per_day": ("pages_per_document",),
    "xray_images_per_day": ("xray_views", "xray_width_pixels", "xray_height_pixels"),
    "tracking_events_per_second": ("tracking_devices", "tracking_event_bytes", "tracking_retention_hours"),
    "language_model_users": (
        "language_model_active_share",
        "language_model_requests_per_hour",
        "language_model_latency_seconds",
        "language_model_parameters_billions",
        "language_model_prompt_tokens",
        "language_model_answer_tokens",
    ),
    "data_scientists": ("notebook_share", "notebook_cores", "notebook_gigabytes"),
    "batch_gigabytes": ("batch_hours",),
    "training_jobs": (),
}


def workload(case: Case) -> Section:
    """Return the load in the customs' own units, and what growth makes of it."""
    say = case.say
    values = case.site.workload.model_dump()
    absent = [driver for driver in DEPENDENTS if not values.get(driver)]
    unused = {*absent, *(key for driver in absent for key in DEPENDENTS[driver])}
    stated = {key: value for key, value in values.items() if key not in unused and isinstance(value, int | float | str)}
    table = Table(
        id="workload",
        caption=say("workload.caption"),
        columns=(
            Column(title=say("workload.input"), width=3),
            Column(title=say("workload.value"), width=1.5, align="end"),
            Column(title=say("workload.key"), width=2.4),
        ),
        rows=tuple(
            (Cell(text=_input_name(case, key)), Cell(text=_input(case, key, value)), Cell(text=key, role="code"))
            for key, value in stated.items()
        ),
        note=say("workload.note", absent=_list(case, absent)),
    )
    return Section(
        id="workload",
        title=say("workload.title"),
        blocks=(Paragraph(text=say("workload.intro")), table, *_growth(case)),
    )


def _list(case: Case, keys: list[str]) -> str:
    names = [_input_name(case, key) for key in keys]
    return ", ".join(name[:1].lower() + name[1:] for name in names) or case.say("workload.nothing")


def _input_name(case: Case, key: str) -> str:
    return case.name("inputs", key)


def _input(case: Case, key: str, value: float | str) -> str:
    tongue = case.tongue
    if isinstance(value, str):
        return value
    if key in ("availability", "growth_per_year") or "share" in key:
        return tongue.percent(value, 2 if key == "availability" else 0)
    if "gigabytes" in key:
        return tongue.quantity(value * 1e9, "bytes") if value else tongue.quantity(0, "bytes")
    if key.endswith("_seconds"):
        return tongue.quantity(value, "seconds")
    return tongue.number(value)


def _growth(case: Case) -> Iterator[Paragraph | Table | Figure]:
    load = case.site.workload
    if load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day <= 0:
        yield Paragraph(text=case.say("growth.no_data"))
        return
    years = list(range(1, HORIZON_YEARS + 1))
    daily = load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day
    kept = [kept_bytes(daily, load.retention_days, load.growth_per_year, 365 * year) for year in years]
    bought = case.bought.storage.object_store_bytes.value
    yield Figure(
        id="capacity",
        caption=case.say("growth.caption"),
        alt=case.say(
            "growth.alt",
            first=case.tongue.quantity(kept[0], "bytes"),
            last=case.tongue.quantity(kept[-1], "bytes"),
            bought=case.tongue.quantity(bought, "bytes"),
        ),
        svg=figures.capacity(case.tongue, years, kept, bought),
    )
    yield Table(
        id="growth",
        caption=case.say("growth.table"),
        columns=(
            Column(title=case.say("growth.year"), width=1),
            Column(title=case.say("growth.daily"), width=1.6, align="end"),
            Column(title=case.say("growth.kept"), width=1.6, align="end"),
            Column(title=case.say("growth.share"), width=1.6, align="end"),
        ),
        rows=tuple(
            cells(
                case.tongue.number(year),
                case.tongue.quantity(
                    daily * (1 + load.growth_per_year) ** (year - 1) * 1e9,
                    "bytes",
                ),
                case.tongue.quantity(amount, "bytes"),
                case.tongue.percent(amount / bought),
            )
            for year, amount in zip(years, kept, strict=True)
        ),
        note=case.say(
            "growth.note_rented" if case.bought.host_provider == "cloud" else "growth.note",
            retention=case.tongue.number(load.retention_days),
        ),
    )
    if max(kept) > bought:
        year = next(year for year, amount in zip(years, kept, strict=True) if amount > bought)
        yield Paragraph(role="warning", text=case.say("growth.short", year=case.tongue.number(year)))


def _is_constant(case: Case, name: str) -> bool:
    """Say whether a reason is a constant of the engine, not a formula, a sum, a choice or a copy of the site file."""
    return name not in FORMULAS and not name.startswith(DERIVED) and name not in case.catalogue


def assumptions(case: Case) -> Section:
    """Return the register of what was assumed: constants with their source."""
    say = case.say
    register: dict[str, tuple[Reason, Quantity]] = {}
    for _, quantity in quantities(case.plan):
        for reason in quantity.reasons:
            if reason.formula and reason.value and not reason.requirement and _is_constant(case, reason.formula):
                register.setdefault(reason.formula, (reason, quantity))
    return Section(
        id="assumptions",
        title=say("assumptions.title"),
        blocks=(
            Paragraph(text=say("assumptions.intro")),
            Table(
                id="assumptions",
                caption=say("assumptions.caption"),
                dense=True,
                columns=(
                    Column(title=say("assumptions.id"), width=2.1),
                    Column(title=say("assumptions.value"), width=1.1, align="end"),
                    Column(title=say("assumptions.source"), width=3.6),
                    Column(title=say("assumptions.binds"), width=0.8),
                ),
                rows=tuple(
                    (
                        Cell(text=name, role="code"),
                        Cell(text=case.tongue.quantity(reason.value, quantity.unit)),
                        Cell(text=case.tongue.expression(reason.source)),
                        Cell(text=say("yes" if quantity.binding == name else "no")),
                    )
                    for name, (reason, quantity) in sorted(register.items())
                ),
                note=say("assumptions.note"),
            ),
            *_prices(case),
        ),
    )


def _prices(case: Case) -> tuple[Table, ...]:
    """Return the priced inputs with their ranges, the strongest driver of cost first."""
    if case.costs is None:
        return ()
    say, number = case.say, case.tongue.number
    last = len(case.costs.assumptions) + len(case.costs.tornado)
    ordered = sorted(case.costs.assumptions, key=lambda entry: (entry.sensitivity_rank or last, entry.id))
    return (
        Table(
            id="price-assumptions",
            caption=say("assumptions.prices"),
            dense=True,
            columns=(
                Column(title=say("assumptions.rank"), width=0.5, align="end"),
                Column(title=say("assumptions.id"), width=1.9),
                Column(title=say("assumptions.unit"), width=1.2),
                Column(title=say("assumptions.low"), width=0.75, align="end"),
                Column(title=say("assumptions.likely"), width=0.8, align="end"),
                Column(title=say("assumptions.high"), width=0.8, align="end"),
                Column(title=say("assumptions.source"), width=2.1),
                Column(title=say("assumptions.confidence"), width=0.95),
            ),
            rows=tuple(
                (
                    Cell(text=say("none") if entry.sensitivity_rank is None else number(place)),
                    Cell(text=case.item(entry.id)),
                    Cell(text=_price_unit(case, entry.id)),
                    *(Cell(text=number(value)) for value in (entry.low, entry.likely, entry.high)),
                    Cell(text=f"{case.tongue.phrase(entry.source.name)}, {case.tongue.date(entry.source.date)}"),
                    Cell(text=say(f"confidence.{entry.confidence}")),
                )
                for place, entry in enumerate(ordered, 1)
            ),
            note=say("assumptions.prices_note"),
        ),
    )


def _price_unit(case: Case, identity: str) -> str:
    if identity == "load":
        return case.say("assumptions.multiple")
    if identity == "maintenance":
        return case.say("assumptions.share")
    if case.catalogue[identity].unit == "each":
        return case.say("assumptions.each")
    return case.say("assumptions.per", unit=case.say(f"bill.unit.{case.catalogue[identity].unit}"))


def trace(case: Case) -> Section:
    """Return how each number of the plan follows from an input, a requirement or a formula."""
    say = case.say
    groups: dict[str, list[tuple[str, Quantity]]] = {}
    for path, quantity in quantities(case.plan):
        room, *rest = path.split(".")
        if room == "years" or quantity.value == 0:
            continue
        group = f"{room}.{rest[0]}" if room in ("pools", "services") else room
        groups.setdefault(group, []).append((".".join(rest[-2:]) if room == "cloud" else rest[-1], quantity))
    blocks: list[Paragraph | Heading | Table] = [Paragraph(text=say("trace.intro", site=case.site.name))]
    for group, members in groups.items():
        title = _group_name(case, group)
        blocks.append(
            Table(
                id=f"trace-{group.replace('.', '-')}",
                caption=title,
                dense=True,
                columns=(
                    Column(title=say("trace.quantity"), width=1.8),
                    Column(title=say("trace.value"), width=1.45, align="end"),
                    Column(title=say("trace.binds"), width=1.6),
                    Column(title=say("trace.why"), width=3.45),
                ),
                rows=tuple(_trace_row(case, name, quantity) for name, quantity in members),
            )
        )
    if case.plan.years:
        blocks.append(_years(case))
    return Section(id="trace", title=say("trace.title"), blocks=tuple(blocks))


def _years(case: Case) -> Table:
    fields = ("arrivals_per_second", "cpu_cores", "memory_bytes", "accelerators", "object_store_bytes")
    return Table(
        id="trace-years",
        caption=case.say("trace.room.years"),
        dense=True,
        columns=(
            Column(title=case.say("growth.year"), width=0.6),
            *(Column(title=case.name("quantity", field), width=1.5, align="end") for field in fields),
        ),
        rows=tuple(
            (
                Cell(text=case.tongue.number(year.year)),
                *(Cell(text=case.shown(getattr(year, field))) for field in fields),
            )
            for year in case.plan.years
        ),
        note=case.say("trace.years_note"),
    )


def _group_name(case: Case, group: str) -> str:
    room, _, name = group.partition(".")
    if room == "pools":
        return case.say("trace.pool", name=case.name("pool", name))
    if room == "services":
        return case.say("trace.service", name=case.name("service", name))
    return case.name("trace.room", room)


def _trace_row(case: Case, name: str, quantity: Quantity) -> tuple[Cell, ...]:
    return (
        Cell(text=_quantity_name(case, name)),
        Cell(text=case.shown(quantity), role="strong"),
        Cell(text=quantity.binding, role="code"),
        Cell(text=why(case, quantity)),
    )


def _quantity_name(case: Case, name: str) -> str:
    pool, _, field = name.rpartition(".")
    words = case.name("quantity", field)
    return f"{words}, {case.name('purpose', pool)}" if pool else words
