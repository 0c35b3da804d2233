"""Where it stands, and in which order it comes about."""

from __future__ import annotations

from portolan.report import figures
from portolan.report.case import Case, cells
from portolan.report.content import Cell, Column, Figure, Paragraph, Section, Table
from portolan.sites.schema import Topology

# What is racked, what is rented, and what comes with both, in the order in which it comes about.
RACKED, RENTED = ("site", "delivery", "hosts"), ("account",)
MILESTONES = (
    "contract",
    "site",
    "account",
    "delivery",
    "hosts",
    "platform",
    "verification",
    "training",
    "acceptance",
    "warranty",
)


def sites(case: Case) -> Section:
    """Return the site, its hosts, and the implementation schedule."""
    say = case.say
    idle = {Topology.ON_PREM: RENTED, Topology.CLOUD: RACKED, Topology.HYBRID: ()}[case.site.topology]
    milestones = [name for name in MILESTONES if name not in idle]
    paid = [
        case.tongue.number(milestones.index(name) + 1)
        for name in ("platform" if case.site.topology is Topology.CLOUD else "delivery", "verification", "acceptance")
    ]
    return Section(
        id="sites",
        title=say("sites.title"),
        blocks=(
            Paragraph(
                text=say(
                    ("sites.beside" if case.rented_beside else "sites.intro") if case.plan.hosts else "sites.rented",
                    topology=say(f"topology.{case.site.topology.value}"),
                    hosts=case.tongue.number(len(case.plan.hosts)),
                    instances=case.tongue.number(sum(int(pool.count) for pool in case.rented_beside)),
                )
            ),
            *(_hosts(case) if case.plan.hosts else ()),
            Table(
                id="milestones",
                caption=say("milestones.caption"),
                columns=(
                    Column(title=say("milestones.number"), width=0.4),
                    Column(title=say("milestones.what"), width=2.2),
                    Column(title=say("milestones.evidence"), width=3.0),
                    Column(title=say("milestones.weeks"), width=1.5),
                ),
                rows=tuple(
                    cells(
                        case.tongue.number(place),
                        say(f"milestones.{name}.what"),
                        say(f"milestones.{name}.evidence"),
                        "",
                    )
                    for place, name in enumerate(milestones, 1)
                ),
                note=say("milestones.note", first=paid[0], second=paid[1], third=paid[2]),
            ),
        ),
    )


def _hosts(case: Case) -> tuple[Figure | Table, ...]:
    say = case.say
    pools = "; ".join(
        case.say("sites.alt_pool", count=case.tongue.number(int(pool.count)), name=case.name("pool", pool.name))
        for pool in case.bought.pools
    )
    if case.rented_beside:
        pools += "; " + case.say(
            "sites.alt_rented", count=case.tongue.number(sum(int(pool.count) for pool in case.rented_beside))
        )
    return (
        Figure(
            id="topology",
            caption=say("sites.figure"),
            alt=say("sites.alt", pools=pools, link=case.shown(case.plan.network.node_link_bits_per_second)),
            svg=figures.topology(case),
        ),
        Table(
            id="hosts",
            caption=say("sites.hosts"),
            dense=True,
            columns=(
                Column(title=say("sites.host"), width=1.4),
                Column(title=say("sites.pool"), width=2.2),
                Column(title=say("sites.address"), width=1.4),
            ),
            rows=tuple(
                (
                    Cell(text=host.name, role="code"),
                    Cell(text=case.name("pool", host.node_pool)),
                    Cell(text=host.address or say("sites.no_address"), role="code" if host.address else "body"),
                )
                for host in case.plan.hosts
            ),
        ),
    )
