"""What comes with the purchase: energy, risks, exit, support."""

from __future__ import annotations

from portolan.report.case import Case, cells
from portolan.report.content import Bullets, Column, Heading, Paragraph, Section, Table
from portolan.sites.schema import Topology

HOURS_PER_YEAR = 8760
RISKS = ("lock_in", "accelerators", "prices", "growth", "skills", "supply", "sovereignty", "provider")
CLOUD_RISKS = frozenset({"sovereignty", "provider"})


def sustainability(case: Case) -> Section:
    """Return what is known about energy, and what bidders must state."""
    say = case.say
    return Section(
        id="sustainability",
        title=say("sustainability.title"),
        blocks=(
            Paragraph(text=say("sustainability.intro")),
            Bullets(items=case.tongue.many("sustainability.asks")),
            *_energy(case),
        ),
    )


def _energy(case: Case) -> tuple[Paragraph | Table, ...]:
    say, place = case.say, case.plan.facility
    if place is None:
        return (Paragraph(role="note", text=say("sustainability.unknown")),)
    fields = ("power_watts", "energy_kilowatt_hours_per_year", "racks", "rack_units", "carbon_kilograms_per_year")
    return (
        Table(
            id="energy",
            caption=say("sustainability.caption"),
            columns=(
                Column(title=say("trace.quantity"), width=2.2),
                Column(title=say("trace.value"), width=1.2, align="end"),
            ),
            rows=tuple(cells(case.name("quantity", field), case.shown(getattr(place, field))) for field in fields),
            note=say("sustainability.note") + (f" {say('sustainability.rented')}" if case.rented_beside else ""),
        ),
    )


def risks(case: Case) -> Section:
    """Return risks, lock-in and exit."""
    say = case.say
    on_prem = case.site.topology is Topology.ON_PREM
    chosen = [name for name in RISKS if not (on_prem and name in CLOUD_RISKS)]
    return Section(
        id="risks",
        title=say("risks.title"),
        blocks=(
            Table(
                id="risks",
                caption=say("risks.caption"),
                columns=(
                    Column(title=say("risks.risk"), width=1.6),
                    Column(title=say("risks.effect"), width=2.2),
                    Column(title=say("risks.answer"), width=3.0),
                ),
                rows=tuple(
                    cells(say(f"risk.{name}.risk"), say(f"risk.{name}.effect"), say(f"risk.{name}.answer"))
                    for name in chosen
                ),
            ),
            Heading(text=say("exit.title")),
            Bullets(items=case.tongue.many("exit.rules")),
        ),
    )


def support(case: Case) -> Section:
    """Return support levels, and the warranty."""
    say = case.say
    availability = case.site.workload.availability
    allowed = (1 - availability) * HOURS_PER_YEAR
    return Section(
        id="support",
        title=say("support.title"),
        blocks=(
            Paragraph(
                text=say(
                    "support.intro",
                    availability=case.tongue.percent(availability, 2),
                    hours=case.tongue.number(round(allowed, 1)),
                )
            ),
            Table(
                id="support",
                caption=say("support.caption"),
                columns=(
                    Column(title=say("support.level"), width=1.0),
                    Column(title=say("support.meaning"), width=3.0),
                    Column(title=say("support.restore"), width=2.4),
                    Column(title=say("support.answer"), width=1.6),
                ),
                rows=tuple(
                    cells(
                        say(f"support.{name}.name"),
                        say(f"support.{name}.meaning"),
                        say(f"support.{name}.restore", hours=case.tongue.number(round(allowed, 1))),
                        "",
                    )
                    for name in ("one", "two", "three")
                ),
                note=say("support.note"),
            ),
            Bullets(items=case.tongue.many("support.warranty")),
        ),
    )
