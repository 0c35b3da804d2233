"""Options, five-year costs and the validity of prices; where nobody has priced the site, that is what is said."""

from __future__ import annotations

from portolan.report.case import Case, cells
from portolan.report.content import Bullets, Column, Paragraph, Section, Table

TOPOLOGIES = ("on-prem", "cloud", "hybrid")


def options(case: Case) -> Section:
    """Return the options that are compared."""
    say = case.say
    table = Table(
        id="options",
        caption=say("options.caption"),
        columns=(
            Column(title=say("options.option"), width=1.2),
            Column(title=say("options.suits"), width=2.6),
            Column(title=say("options.price"), width=2.6),
            Column(title=say("options.rows"), width=1.0, align="end"),
        ),
        rows=tuple(
            cells(
                say(f"topology.{name}") + (f"\n({say('options.chosen')})" if name == case.site.topology.value else ""),
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
            Paragraph(role="warning", text=say("options.unpriced")),
        ),
    )


def costs(case: Case) -> Section:
    """Return the cost over five years."""
    say = case.say
    return Section(
        id="costs",
        title=say("costs.title"),
        blocks=(
            Paragraph(role="warning", text=say("costs.unpriced")),
            Paragraph(text=say("costs.method")),
            Bullets(items=case.tongue.many("costs.parts")),
        ),
    )


def validity(case: Case) -> Section:
    """Return how long prices hold."""
    return Section(
        id="validity",
        title=case.say("validity.title"),
        blocks=(
            Paragraph(text=case.say("validity.intro", date=case.tongue.date(case.issued))),
            Bullets(items=case.tongue.many("validity.rules")),
        ),
    )
