"""What the site must carry, what is assumed, and how each number of the plan follows."""

from __future__ import annotations

from collections.abc import Iterator

from portolan.report import figures
from portolan.report.case import Case, cells
from portolan.report.content import Cell, Column, Figure, Heading, Paragraph, Section, Table
from portolan.sizing.explanation import quantities
from portolan.sizing.plan import Quantity, Reason
from portolan.sizing.reasons import FORMULAS
from portolan.sizing.storage import lake_bytes

HORIZON_YEARS = 5
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
    if key in ("availability", "growth_per_year") or key.endswith(("_share", "_fraction")):
        return tongue.percent(value, 2 if key == "availability" else 0)
    if "gigabytes" in key:
        return tongue.quantity(value * 1e9, "bytes") if value else tongue.quantity(0, "bytes")
    if key.endswith("_seconds"):
        return tongue.quantity(value, "seconds")
    return tongue.number(value)


def kept_bytes(case: Case, year: int) -> float:
    """Return what the lake holds at the end of a year: everything that came in within the retention."""
    load = case.site.workload
    daily = load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day
    days = 365 * year
    forgotten = max(0, days - load.retention_days)
    return lake_bytes(daily, days, load.growth_per_year) - lake_bytes(daily, forgotten, load.growth_per_year)


def _growth(case: Case) -> Iterator[Paragraph | Table | Figure]:
    load = case.site.workload
    if load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day <= 0:
        yield Paragraph(text=case.say("growth.no_data"))
        return
    years = list(range(1, HORIZON_YEARS + 1))
    kept = [kept_bytes(case, year) for year in years]
    bought = case.plan.storage.object_store_bytes.value
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
                    (load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day)
                    * (1 + load.growth_per_year) ** (year - 1)
                    * 1e9,
                    "bytes",
                ),
                case.tongue.quantity(amount, "bytes"),
                case.tongue.percent(amount / bought),
            )
            for year, amount in zip(years, kept, strict=True)
        ),
        note=case.say("growth.note", retention=case.tongue.number(load.retention_days)),
    )
    if max(kept) > bought:
        year = next(year for year, amount in zip(years, kept, strict=True) if amount > bought)
        yield Paragraph(role="warning", text=case.say("growth.short", year=case.tongue.number(year)))


def assumptions(case: Case) -> Section:
    """Return the register of what was assumed: constants with their source."""
    say = case.say
    register: dict[str, tuple[Reason, Quantity]] = {}
    for _, quantity in quantities(case.plan):
        for reason in quantity.reasons:
            if reason.formula and not reason.requirement and reason.formula not in FORMULAS:
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
                        Cell(text=case.tongue.phrase(reason.source)),
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
                Column(title=say("assumptions.id"), width=2.3),
                Column(title=say("assumptions.low"), width=0.8, align="end"),
                Column(title=say("assumptions.likely"), width=0.8, align="end"),
                Column(title=say("assumptions.high"), width=0.8, align="end"),
                Column(title=say("assumptions.source"), width=2.5),
                Column(title=say("assumptions.confidence"), width=0.9),
            ),
            rows=tuple(
                (
                    Cell(text=case.item(entry.id)),
                    *(Cell(text=number(value)) for value in (entry.low, entry.likely, entry.high)),
                    Cell(text=f"{case.tongue.phrase(entry.source.name)}, {case.tongue.date(entry.source.date)}"),
                    Cell(text=say(f"confidence.{entry.confidence}")),
                )
                for entry in ordered
            ),
            note=say("assumptions.prices_note"),
        ),
    )


def trace(case: Case) -> Section:
    """Return how each number of the plan follows from an input, a requirement or a formula."""
    say = case.say
    groups: dict[str, list[tuple[str, Quantity]]] = {}
    for path, quantity in quantities(case.plan):
        room, *rest = path.split(".")
        if room == "years" or (quantity.value == 0 and room not in ("pools", "services")):
            continue
        group = f"{room}.{rest[0]}" if room in ("pools", "services") else room
        groups.setdefault(group, []).append((rest[-1], quantity))
    blocks: list[Paragraph | Heading | Table] = [Paragraph(text=say("trace.intro", site=case.site.name))]
    for group, members in groups.items():
        title = _group_name(case, group)
        blocks.append(
            Table(
                id=f"trace-{group.replace('.', '-')}",
                caption=title,
                dense=True,
                columns=(
                    Column(title=say("trace.quantity"), width=1.5),
                    Column(title=say("trace.value"), width=1.2, align="end"),
                    Column(title=say("trace.binds"), width=1.6),
                    Column(title=say("trace.why"), width=4.0),
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
        Cell(text=case.name("quantity", name)),
        Cell(text=case.shown(quantity), role="strong"),
        Cell(text=quantity.binding, role="code"),
        Cell(text=_why(case, quantity)),
    )


def _why(case: Case, quantity: Quantity) -> str:
    reason = quantity.reasons[0]
    if reason.requirement and not reason.formula:
        row = case.requirements.get(reason.requirement)
        return case.say("trace.required", section=row.section, text=case.tongue.pick(row.text))
    if reason.formula in FORMULAS:
        numbers = " ; ".join(f"{key} = {case.tongue.number(value)}" for key, value in reason.inputs.items())
        separator = "\u202f" if case.tongue.language == "fr" else ""
        return case.say(
            "trace.formula",
            expression=case.tongue.phrase(FORMULAS[reason.formula].expression),
            inputs=numbers.replace(" ; ", f"{separator}; "),
        )
    return case.tongue.phrase(reason.source)
