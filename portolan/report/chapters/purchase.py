"""What is bought: functional specifications, then the schedules that a bidder fills in."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

from portolan.costing.shapes import Step
from portolan.report.case import Case
from portolan.report.content import BillLine, Bullets, Cell, Column, Paragraph, Section, Table
from portolan.report.serving import rows_served

# Steps of a chain that say nothing without their inputs.
SILENT: Final = frozenset({"product of the inputs", "the plan's", "the plan's count"})


def bill(case: Case) -> Section:
    """Return the specifications and the price schedules."""
    blocks: list[Paragraph | Table | Bullets] = [Paragraph(text=case.say("bill.intro"))]
    if case.bill.unpriced:
        blocks.append(
            Paragraph(
                role="warning",
                text=case.tongue.count("bill.unpriced", len(case.bill.unpriced)),
            )
        )
    if case.costs is not None:
        years = case.tongue.number(case.costs.horizon_years)
        blocks.append(Paragraph(text=case.say("bill.estimate", years=years, date=case.tongue.date(case.issued))))
    blocks += [_schedule(case, "supply"), _schedule(case, "recurrent"), _specifications(case)]
    if case.costs is not None:
        blocks.append(_sources(case))
    return Section(id="bill", title=case.say("bill.title"), blocks=tuple(blocks))


def _schedule(case: Case, schedule: Literal["supply", "recurrent"]) -> Table:
    say = case.say
    lines = [line for line in case.bill.lines if line.schedule == schedule]
    total = case.bill.total(schedule)
    return Table(
        id=f"schedule-{schedule}",
        caption=say(f"bill.{schedule}"),
        columns=(
            Column(title=say("bill.number"), width=0.5),
            Column(title=say("bill.item"), width=2.85),
            Column(title=say("bill.cpv"), width=0.95),
            Column(title=say("bill.quantity"), width=0.95, align="end"),
            Column(title=say("bill.unit_title"), width=1.05),
            Column(title=_with_currency(case, "bill.unit_price"), width=1.4, align="end"),
            Column(title=_with_currency(case, "bill.amount"), width=1.35, align="end"),
            Column(title=say("bill.origin"), width=0.9),
        ),
        rows=tuple(_row(case, line) for line in lines),
        totals=(
            (
                Cell(text=""),
                Cell(text=say(f"bill.total_{schedule}"), role="strong"),
                Cell(text=""),
                Cell(text=""),
                Cell(text=""),
                Cell(text=""),
                Cell(text=say("bill.open") if total is None else case.tongue.number(total, 2), number=total,
                     role="strong"),
                Cell(text=""),
            ),
        ),
        note=say("bill.origin_note") if schedule == "supply" else "",
    )  # fmt: skip


def _with_currency(case: Case, key: str) -> str:
    words = case.say(key)
    return f"{words} ({case.bill.currency})" if case.bill.currency else words


def _row(case: Case, line: BillLine) -> tuple[Cell, ...]:
    opened = case.say("bill.open")
    tongue = case.tongue
    return (
        Cell(text=line.number),
        Cell(text=line.title),
        Cell(text=line.cpv, role="code"),
        Cell(text=tongue.number(line.quantity), number=line.quantity),
        Cell(text=line.unit),
        Cell(text=opened if line.unit_price is None else _unit_price(case, line.unit_price), number=line.unit_price),
        Cell(text=opened if line.amount is None else tongue.number(line.amount, 2), number=line.amount),
        Cell(text="", role="blank"),
    )


def _unit_price(case: Case, price: Decimal) -> str:
    """Return a price with its cents, and with all its decimals where it has more: the reader multiplies."""
    exponent = price.normalize().as_tuple().exponent
    return case.tongue.number(price, max(2, -exponent if isinstance(exponent, int) else 2))


def _sources(case: Case) -> Table:
    """Return where each price comes from, and how each quantity follows."""
    say = case.say
    option = case.option
    chains = {line.item: line.chain for line in option.bill.lines} if option is not None else {}
    return Table(
        id="sources",
        caption=say("sources.caption"),
        dense=True,
        columns=(
            Column(title=say("bill.number"), width=0.45),
            Column(title=say("sources.item"), width=1.75),
            Column(title=say("sources.how"), width=3.2),
            Column(title=say("sources.source"), width=2.05),
            Column(title=say("sources.date"), width=1.05),
        ),
        rows=tuple(
            (
                Cell(text=line.number),
                Cell(text=line.item, role="code"),
                Cell(text=_steps(case, chains[line.item])),
                Cell(text=case.tongue.phrase(line.price_source)),
                Cell(text="" if line.price_date is None else case.tongue.date(line.price_date)),
            )
            for line in case.bill.lines
            if line.item in chains
        ),
        note=say("sources.note", site=case.site.name),
    )


def _steps(case: Case, chain: Sequence[Step]) -> str:
    """Return the formulas of a chain, the last one first, each once; products of inputs tell nothing by themselves."""
    told = dict.fromkeys(step.expression for step in reversed(chain) if step.expression)
    chosen = [text for text in told if text not in SILENT] or list(told)[:1]
    if len(chosen) == 1:
        return case.tongue.expression(chosen[0])
    return "\n".join(f"\u2022 {case.tongue.expression(text)}" for text in chosen)


def _served(case: Case, line: BillLine) -> Cell:
    served = rows_served(line, case.bill, case.binding)
    return Cell(text=", ".join(served) or case.say("none"), role="code" if served else "body")


def _specifications(case: Case) -> Table:
    say = case.say
    return Table(
        id="specifications",
        caption=say("specification.caption"),
        dense=True,
        columns=(
            Column(title=say("bill.number"), width=0.45),
            Column(title=say("specification.minimum"), width=3.4),
            Column(title=say("specification.requirements"), width=2.1),
            Column(title=say("specification.checks"), width=2.3),
        ),
        rows=tuple(
            (
                Cell(text=line.number),
                Cell(text=f"{line.title}\n" + "\n".join(f"• {item}" for item in line.specification)),
                _served(case, line),
                Cell(text=", ".join(line.checks) or say("specification.inspection"),
                     role="code" if line.checks else "body"),
            )
            for line in case.bill.lines
        ),
        note=say("specification.equivalent"),
    )  # fmt: skip
