"""How offers are compared with the requirements, and how the delivered platform is."""

from __future__ import annotations

from portolan.report.case import Case, cells
from portolan.report.content import Bullets, Cell, Column, Heading, Paragraph, Section, Table
from portolan.requirements.schema import Kind, Requirement
from portolan.sizing.plan import Target

CRITERIA = ("eligibility", "responsiveness", "lifetime", "delivery", "energy", "support", "openness", "experience")


def is_duty(row: Requirement) -> bool:
    """Say whether the administration itself answers a line: policy and evaluation, without a number or a check."""
    return row.kind in (Kind.GOVERNANCE, Kind.METRIC) and row.value is None and not row.checks


def _part(row: Requirement) -> str:
    """Return the part of the report in which a row stands: 9.6 for section 9.6.2."""
    return ".".join(row.section.split(".")[:2])


def compliance(case: Case) -> Section:
    """Return the technical responsiveness checklist: every requirement that binds, with room for the answer."""
    say = case.say
    lines = {identity: line.number for line in reversed(case.bill.lines) for identity in line.requirements}
    asked = [row for row in case.binding if row.kind is not Kind.COST and not is_duty(row)]
    sections = list(dict.fromkeys(_part(row) for row in asked))
    # What no line of goods serves is software and services: the line of installation brings them.
    rest = next((line.number for line in case.bill.lines if line.item.endswith("installation")), say("none"))
    return Section(
        id="compliance",
        title=say("compliance.title"),
        blocks=(
            Paragraph(text=say("compliance.intro", rows=case.tongue.number(len(asked)))),
            *(
                Table(
                    id=f"compliance-{section}",
                    caption=say("compliance.caption", section=section),
                    dense=True,
                    columns=(
                        Column(title=say("compliance.id"), width=1.35),
                        Column(title=say("compliance.text"), width=3.8),
                        Column(title=say("compliance.level"), width=1.2),
                        Column(title=say("compliance.line"), width=0.6),
                        Column(title=say("compliance.answer"), width=0.8),
                        Column(title=say("compliance.reference"), width=1.1),
                    ),
                    rows=tuple(
                        _compliance_row(case, row, lines.get(row.id, rest)) for row in asked if _part(row) == section
                    ),
                )
                for section in sections
            ),
            *_duties(case),
            *_readings(case),
        ),
    )


def _compliance_row(case: Case, row: Requirement, line: str) -> tuple[Cell, ...]:
    return (
        Cell(text=row.id, role="code"),
        Cell(text=case.tongue.pick(row.text)),
        Cell(text=case.say(f"level.{row.level}")),
        Cell(text=line),
        Cell(text="", role="blank"),
        Cell(text="", role="blank"),
    )


def _duties(case: Case) -> tuple[Heading | Paragraph | Table, ...]:
    """Return what the report asks of the administration itself: no bidder can answer it."""
    own = [row for row in case.binding if is_duty(row)]
    if not own:
        return ()
    return (
        Heading(text=case.say("duties.title")),
        Paragraph(text=case.say("duties.intro", rows=case.tongue.number(len(own)))),
        Table(
            id="compliance-duties",
            caption=case.say("duties.caption"),
            dense=True,
            columns=(
                Column(title=case.say("compliance.id"), width=1.35),
                Column(title=case.say("compliance.text"), width=4.6),
                Column(title=case.say("duties.owner"), width=1.4),
            ),
            rows=tuple(
                (Cell(text=row.id, role="code"), Cell(text=case.tongue.pick(row.text)), Cell(text="", role="blank"))
                for row in own
            ),
        ),
    )


def _readings(case: Case) -> tuple[Heading | Paragraph | Table, ...]:
    noted = [row for row in case.binding if row.note is not None]
    if not noted:
        return ()
    return (
        Heading(text=case.say("readings.title")),
        Paragraph(text=case.say("readings.intro")),
        Table(
            id="readings",
            caption=case.say("readings.caption"),
            dense=True,
            columns=(
                Column(title=case.say("compliance.id"), width=1.1),
                Column(title=case.say("readings.note"), width=5.4),
            ),
            rows=tuple(
                (Cell(text=row.id, role="code"), Cell(text=case.tongue.pick(row.note)))
                for row in noted
                if row.note is not None
            ),
        ),
    )


def evaluation(case: Case) -> Section:
    """Return the criteria for offers and the benchmarks for acceptance."""
    say = case.say
    return Section(
        id="evaluation",
        title=say("evaluation.title"),
        blocks=(
            Paragraph(text=say("evaluation.intro")),
            Table(
                id="criteria",
                caption=say("evaluation.criteria"),
                columns=(
                    Column(title=say("evaluation.criterion"), width=2.0),
                    Column(title=say("evaluation.proof"), width=3.2),
                    Column(title=say("evaluation.kind"), width=1.2),
                    Column(title=say("evaluation.weight"), width=0.9),
                ),
                rows=tuple(
                    cells(
                        say(f"criteria.{name}.what"),
                        say(f"criteria.{name}.proof"),
                        say(f"evaluation.{'gate' if name in ('eligibility', 'responsiveness') else 'rated'}"),
                        "",
                    )
                    for name in CRITERIA
                ),
                note=say("evaluation.note"),
            ),
            Heading(text=say("acceptance.heading")),
            Paragraph(text=say("acceptance.intro", site=case.site.name)),
            acceptance(case),
            Bullets(items=case.tongue.many("acceptance.rules")),
        ),
    )


def acceptance(case: Case) -> Table:
    """Return one row for each requirement and check: what must be measured, where, and the number to reach."""
    say = case.say
    groups: dict[tuple[str, str, str], list[Target]] = {}
    for target in case.tests:
        groups.setdefault((target.check, target.requirement, _aim(case, target)), []).append(target)
    ordered = sorted(groups.items(), key=lambda pair: (pair[0][0], pair[0][1]))
    return Table(
        id="acceptance",
        caption=say("acceptance.caption"),
        dense=True,
        columns=(
            Column(title=say("acceptance.check"), width=2.5),
            Column(title=say("acceptance.requirement"), width=1.4),
            Column(title=say("acceptance.aim"), width=1.5),
            Column(title=say("acceptance.where"), width=2.0),
        ),
        rows=tuple(
            (
                Cell(text=check, role="code"),
                Cell(text=requirement, role="code"),
                Cell(text=aim),
                Cell(text=_where(case, targets)),
            )
            for (check, requirement, aim), targets in ordered
        ),
    )


def _aim(case: Case, target: Target) -> str:
    if target.operator == "present":
        return case.say("acceptance.present")
    value = target.value if isinstance(target.value, str) else case.tongue.quantity(target.value, target.unit)
    sign = {">=": "≥", "<=": "≤", "==": "="}[target.operator]
    statistic = "" if target.statistic == "value" else f" ({target.statistic})"
    return f"{sign}\u00a0{value}{statistic}"


def _where(case: Case, targets: list[Target]) -> str:
    subject = targets[0].subject
    if subject.startswith("host/"):
        text = case.tongue.count("acceptance.hosts", len(targets))
    elif subject.startswith("endpoint/"):
        text = case.say("acceptance.endpoint", name=subject.removeprefix("endpoint/"))
    else:
        text = case.name("acceptance.subject", subject)
    return text + (f" ({case.say('acceptance.simulated')})" if any(target.simulated for target in targets) else "")
