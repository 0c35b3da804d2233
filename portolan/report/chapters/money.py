"""Options, five-year costs and the validity of prices; where nobody has priced the site, that is what is said."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from portolan.costing.shapes import CostReport, Option, total_of
from portolan.report import figures
from portolan.report.case import Case, cells
from portolan.report.content import Bullets, Cell, Column, Figure, Heading, Paragraph, Section, Table
from portolan.report.estimate import own_lines
from portolan.report.published import spent_on

TOPOLOGIES = ("on-prem", "cloud", "hybrid")
DRIVERS_SHOWN = 8


def options(case: Case) -> Section:
    """Return the options that are compared."""
    say = case.say
    table = Table(
        id="options",
        caption=say("options.caption"),
        columns=(
            Column(title=say("options.option"), width=1.2),
            Column(title=say("options.suits"), width=2.5),
            Column(title=say("options.price"), width=2.5),
            Column(title=say("options.rows"), width=1.2, align="end"),
        ),
        rows=tuple(
            cells(
                say(f"option.{name}") + (f"\n({say('options.chosen')})" if name == case.site.topology.value else ""),
                say(f"options.{name}.suits"),
                say(f"options.{name}.price"),
                case.tongue.number(
                    sum(
                        row.tier in ("any", case.site.tier.value) and name in row.topologies
                        for row in case.requirements.rows
                    )
                ),
            )
            for name in TOPOLOGIES
        ),
        note=say("options.note"),
    )
    return Section(
        id="options",
        title=say("options.title"),
        blocks=(
            Paragraph(text=say("options.intro", topology=say(f"topology.{case.site.topology.value}"))),
            table,
            *((Paragraph(role="warning", text=say("options.unpriced")),) if case.costs is None else _priced(case)),
        ),
    )


def _priced(case: Case) -> tuple[Table | Paragraph, ...]:
    costs = case.costs
    if costs is None:
        return ()
    say = case.say
    return (
        Table(
            id="option-costs",
            caption=say("options.costs", years=case.tongue.number(costs.horizon_years), currency=costs.currency),
            columns=(
                Column(title=say("options.option"), width=1.7),
                Column(title=say("costs.capex"), width=1.2, align="end"),
                Column(title=say("costs.opex"), width=1.2, align="end"),
                Column(title=say("costs.total"), width=1.2, align="end"),
                Column(title=say("costs.residual"), width=1.2, align="end"),
                Column(title=say("costs.present"), width=1.3, align="end"),
            ),
            rows=tuple(_option_row(case, option) for option in costs.options),
            note=say(
                "options.costs_note",
                rate=case.tongue.percent(costs.discount_rate, 1),
                provider=costs.provider.upper() if costs.provider != "azure" else "Azure",
                region=costs.region,
            ),
        ),
        *(
            Paragraph(
                role="warning",
                text=say(
                    "options.unmet",
                    option=say(f"option.{option.name}"),
                    needs="; ".join(case.tongue.phrase(need) for need in option.unmet),
                ),
            )
            for option in costs.options
            if option.unmet
        ),
    )


def _option_row(case: Case, option: Option) -> tuple[Cell, ...]:
    chosen = option.name == case.site.topology.value
    role = "strong" if chosen else "body"
    amounts = (option.capex, option.opex, option.total, option.residual, option.present_value)
    return (
        Cell(text=case.say(f"option.{option.name}"), role=role),
        *(Cell(text=case.money(amount), number=amount, role=role) for amount in amounts),
    )


def costs(case: Case) -> Section:
    """Return the cost over the horizon."""
    say = case.say
    title = say("costs.title", years=case.tongue.number(case.site.workload.horizon_years))
    if case.costs is None or case.option is None:
        return Section(
            id="costs",
            title=title,
            blocks=(
                Paragraph(role="warning", text=say("costs.unpriced")),
                Paragraph(text=say("costs.method")),
                Bullets(items=case.tongue.many("costs.parts")),
            ),
        )
    return Section(
        id="costs",
        title=title,
        blocks=(
            Paragraph(text=say("costs.intro", draws=case.tongue.number(case.costs.draws))),
            *_ranges(case, case.costs),
            *_drivers(case, case.costs),
            Heading(text=say("costs.yearly")),
            _first_year(case, case.option),
            _years(case, case.costs, case.option),
            Heading(text=say("costs.published")),
            Paragraph(text=say("costs.published_intro")),
            _published(case, case.costs),
        ),
    )


def ranges_figure(case: Case, costs: CostReport) -> Figure:
    """Return the picture of the options' ranges."""
    rows = [(case.say(f"option.{one.name}"), one.range) for one in costs.options]
    told = "; ".join(f"{name}: {case.money(found.p10)}, {case.money(found.p90)}" for name, found in rows)
    return Figure(
        id="ranges",
        caption=case.say("costs.ranges", currency=costs.currency),
        alt=case.say("costs.ranges_alt", ranges=told),
        svg=figures.ranges(case.tongue, tuple((name, r.p10, r.p50, r.p90) for name, r in rows), costs.currency),
    )


def _ranges(case: Case, costs: CostReport) -> tuple[Figure | Table | Paragraph, ...]:
    say, tongue = case.say, case.tongue
    return (
        Table(
            id="ranges",
            caption=say("costs.ranges", currency=costs.currency),
            columns=(
                Column(title=say("options.option"), width=2.0),
                Column(title="P10", width=1.2, align="end"),
                Column(title="P50", width=1.2, align="end"),
                Column(title="P90", width=1.2, align="end"),
                Column(title=say("costs.cheapest"), width=1.3, align="end"),
            ),
            rows=tuple(
                (
                    Cell(text=say(f"option.{one.name}"), role="strong" if one.name == costs.chosen else "body"),
                    Cell(text=case.money(one.range.p10), number=one.range.p10),
                    Cell(text=case.money(one.range.p50), number=one.range.p50),
                    Cell(text=case.money(one.range.p90), number=one.range.p90),
                    Cell(text=tongue.percent(costs.ranks.cheapest[one.name])),
                )
                for one in costs.options
            ),
            note=say("costs.ranges_note"),
        ),
        ranges_figure(case, costs),
        Paragraph(
            text=say(
                "costs.flips",
                order=", ".join(lower(say(f"option.{name}")) for name in costs.ranks.likely_order),
            )
            + " "
            + (
                say("costs.flips_sometimes", share=tongue.percent(costs.ranks.order_changes))
                if costs.ranks.order_changes >= 0.01
                else say("costs.flips_hardly" if costs.ranks.order_changes else "costs.flips_never")
            )
            + " "
            + _break_even(case, costs)
        ),
    )


def lower(text: str) -> str:
    """Return words as they stand within a sentence."""
    return text[:1].lower() + text[1:]


def _break_even(case: Case, costs: CostReport) -> str:
    say, number, found = case.say, case.tongue.number, costs.break_even
    text = (
        say("costs.never", years=number(costs.horizon_years))
        if found.years is None
        else say("costs.break_even", years=number(found.years, 1))
    )
    if found.gpu_instance is None:
        return text
    if found.gpu_hours_per_year is None:
        return f"{text} {say('costs.hours_never', instance=found.gpu_instance)}"
    hours = number(round(found.gpu_hours_per_year))
    return f"{text} {say('costs.hours', hours=hours, instance=found.gpu_instance)}"


def _drivers(case: Case, costs: CostReport) -> tuple[Figure | Table, ...]:
    say = case.say
    entries = [entry for entry in costs.tornado if entry.option == costs.chosen][:DRIVERS_SHOWN]
    if not entries:
        return ()
    rows = [(case.item(entry.driver), entry.cost_at_low, entry.cost_at_high) for entry in entries]
    return (
        Figure(
            id="tornado",
            caption=say("costs.tornado", currency=costs.currency),
            alt=say("costs.tornado_alt", first=rows[0][0], swing=case.money(entries[0].swing)),
            svg=figures.tornado(case.tongue, rows, costs.option(costs.chosen).present_value, costs.currency),
        ),
        Table(
            id="tornado",
            caption=say("costs.tornado", currency=costs.currency),
            dense=True,
            columns=(
                Column(title=say("costs.driver"), width=2.4),
                Column(title=say("costs.at_low"), width=1.2, align="end"),
                Column(title=say("costs.at_high"), width=1.2, align="end"),
                Column(title=say("costs.swing"), width=1.2, align="end"),
            ),
            rows=tuple(
                (
                    Cell(text=name),
                    Cell(text=case.money(low), number=low),
                    Cell(text=case.money(high), number=high),
                    Cell(text=case.money(entry.swing), number=entry.swing),
                )
                for (name, low, high), entry in zip(rows, entries, strict=True)
            ),
            note=say("costs.tornado_note"),
        ),
    )


def _first_year(case: Case, option: Option) -> Table:
    """Return how the schedules and the administration's own expense make up purchase and first year."""
    say = case.say
    zero = Decimal("0.00")
    own = own_lines(option)
    rows = [
        (say("bill.total_supply"), case.bill.total("supply") or zero),
        (say("bill.total_recurrent"), case.bill.total("recurrent") or zero),
        *((case.tongue.pick(line.name), line.total) for line in own),
    ]
    total = total_of(amount for _, amount in rows)
    return Table(
        id="first-year",
        caption=say("costs.first_year", currency=option.bill.currency),
        columns=(Column(title=say("costs.part"), width=3.4), Column(title=say("bill.amount"), width=1.2, align="end")),
        rows=tuple((Cell(text=name), Cell(text=case.tongue.number(value, 2), number=value)) for name, value in rows),
        totals=(
            (
                Cell(text=say("costs.first_year_total"), role="strong"),
                Cell(text=case.tongue.number(total, 2), number=total, role="strong"),
            ),
        ),
    )


def _years(case: Case, costs: CostReport, option: Option) -> Table:
    say = case.say

    def row(name: str, amounts: tuple[Decimal, ...], role: Literal["body", "strong"] = "body") -> tuple[Cell, ...]:
        return (
            Cell(text=name, role=role),
            *(Cell(text=case.tongue.number(a, 2), number=a, role=role) for a in amounts),
        )

    columns = ("costs.capex", "costs.opex", "costs.discounted")
    return Table(
        id="years",
        caption=say("costs.years", option=lower(say(f"option.{option.name}")), currency=costs.currency),
        columns=(
            Column(title=say("growth.year"), width=1.0),
            *(Column(title=say(name), width=1.4, align="end") for name in columns),
        ),
        rows=tuple(
            row(
                case.tongue.number(year.year) if year.year else say("costs.before"),
                (year.capex, year.opex, year.discounted),
            )
            for year in option.years
        ),
        totals=(
            row(
                say("costs.sum"),
                (option.capex, option.opex, total_of(year.discounted for year in option.years)),
                "strong",
            ),
        ),
        note=say("costs.years_note", residual=case.tongue.number(option.residual, 2)) if option.residual else "",
    )


def _published(case: Case, costs: CostReport) -> Table:
    say, number = case.say, case.tongue.number

    def span(low: Decimal | None, high: Decimal | None, open_ended: bool) -> str:
        if low is None:
            return say("none")
        upper = "" if high is None else number(high)
        return f"{number(low)} \u2013 {upper}{'+' if open_ended else ''}"

    return Table(
        id="published",
        caption=say("costs.published_caption"),
        dense=True,
        columns=(
            Column(title=say("costs.published_table"), width=0.7),
            Column(title=say("bill.item"), width=2.7),
            Column(title=say("costs.published_range"), width=1.45, align="end"),
            Column(title=say("bill.unit_title"), width=1.6),
            Column(title=say("costs.published_today"), width=0.95, align="end"),
            Column(title=say("costs.published_spent"), width=1.1, align="end"),
        ),
        rows=tuple(
            (
                Cell(text=number(row.table)),
                Cell(text=case.tongue.pick(row.name)),
                Cell(text=span(row.low, row.high, row.open_ended)),
                Cell(text=case.tongue.pick(row.unit)),
                Cell(text=say("none") if row.priced is None else number(row.priced)),
                _spent(case, costs, row.name.en),
            )
            for row in costs.report_ranges
        ),
        note=case.tongue.pick(costs.report_ranges[0].caveat) if costs.report_ranges else "",
    )


def _spent(case: Case, costs: CostReport, name: str) -> Cell:
    """Return what the chosen option spends on a line of the report's tables, in US dollars and the table's own unit."""
    amount = spent_on(name, costs.option(costs.chosen), costs.horizon_years)
    if amount is None:
        return Cell(text=case.say("none"))
    dollars = amount / costs.per_us_dollar
    return Cell(text=case.money(dollars) if dollars >= 1 else case.tongue.number(dollars), number=dollars)


def validity(case: Case) -> Section:
    """Return how long prices hold."""
    warnings = case.warnings
    return Section(
        id="validity",
        title=case.say("validity.title"),
        blocks=(
            Paragraph(text=case.say("validity.intro", date=case.tongue.date(case.issued))),
            Bullets(items=case.tongue.many("validity.rules")),
            *((Paragraph(role="warning", text=sentences(case, warnings)),) if warnings else ()),
        ),
    )


def sentences(case: Case, warnings: tuple[str, ...]) -> str:
    """Return warnings of other rooms as sentences one after the other."""
    told = [case.tongue.phrase(text) for text in warnings]
    return " ".join(text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") for text in told)
