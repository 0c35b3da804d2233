"""How offers are compared with the requirements, and how the delivered platform is."""

from __future__ import annotations

from portolan.report.case import Case, cells
from portolan.report.content import Bullets, Cell, Column, Heading, Paragraph, Section, Table
from portolan.report.serving import lines_serving
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
    asked = [row for row in case.binding if row.kind is not Kind.COST and not is_duty(row)]
    sections = list(dict.fromkeys(_part(row) for row in asked))
    return Section(
        id="compliance",
        title=say("compliance.title"),
        blocks=(
            Paragraph(
                text=say(
                    "compliance.intro",
                    rows=case.tongue.number(len(asked)),
                    all=case.tongue.number(len(case.binding)),
                    duties=case.tongue.number(sum(is_duty(row) for row in case.binding)),
                    costs=case.tongue.number(sum(row.kind is Kind.COST for row in case.binding)),
                )
            ),
            Paragraph(text=say("compliance.names")),
            *(
                Table(
                    id=f"compliance-{section}",
                    caption=say("compliance.caption", section=section),
                    dense=True,
                    columns=(
                        Column(title=say("compliance.id"), width=1.35),
                        Column(title=say("compliance.text"), width=3.6),
                        Column(title=say("compliance.level"), width=1.05),
                        Column(title=say("compliance.line"), width=0.95),
                        Column(title=say("compliance.answer"), width=0.75),
                        Column(title=say("compliance.reference"), width=1.45),
                    ),
                    rows=tuple(_compliance_row(case, row) for row in asked if _part(row) == section),
                )
                for section in sections
            ),
            *_duties(case),
            *_readings(case),
        ),
    )


def _compliance_row(case: Case, row: Requirement) -> tuple[Cell, ...]:
    return (
        Cell(text=row.id, role="code"),
        Cell(text=case.tongue.pick(row.text)),
        Cell(text=case.say(f"level.{row.level}")),
        Cell(text=", ".join(lines_serving(row, case.bill)) or case.say("none")),
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
    """Return one row for each check and number to reach: where it is measured, and which lines of the report ask it."""
    say = case.say
    groups: dict[tuple[str, str, str], list[str]] = {}
    places: dict[tuple[str, str, str], list[Target]] = {}
    for target in case.tests:
        places.setdefault((target.check, target.requirement, _aim(case, target)), []).append(target)
    for (check, requirement, aim), targets in places.items():
        groups.setdefault((check, aim, _where(case, targets)), []).append(requirement)
    return Table(
        id="acceptance",
        caption=say("acceptance.caption"),
        dense=True,
        columns=(
            Column(title=say("acceptance.check"), width=2.4),
            Column(title=say("acceptance.aim"), width=1.6),
            Column(title=say("acceptance.where"), width=1.5),
            Column(title=say("acceptance.requirement"), width=2.6),
        ),
        rows=tuple(
            (
                Cell(text=check, role="code"),
                Cell(text=aim),
                Cell(text=where),
                Cell(text=", ".join(sorted(requirements)), role="code"),
            )
            for (check, aim, where), requirements in sorted(groups.items())
        ),
    )


def _aim(case: Case, target: Target) -> str:
    if target.operator == "present":
        return case.say("acceptance.present")
    if isinstance(target.value, str):
        value = target.value[:1].upper() + target.value[1:]
    else:
        value = case.tongue.quantity(target.value, target.unit)
    none = target.operator == "<=" and target.value == 0
    sign = "=" if none else {">=": "≥", "<=": "≤", "==": "="}[target.operator]
    return f"{sign}\u00a0{value}{_statistic(case, target.statistic)}"


def _statistic(case: Case, name: str) -> str:
    if name == "value":
        return ""
    key = f"acceptance.statistic.{name}"
    return f" ({case.say(key) if key in case.tongue.words else name})"


def _where(case: Case, targets: list[Target]) -> str:
    subject = targets[0].subject
    if subject.startswith("host/"):
        text = case.tongue.count("acceptance.hosts", len(targets))
    elif subject.startswith("endpoint/"):
        text = case.say("acceptance.endpoint", name=subject.removeprefix("endpoint/"))
    else:
        text = case.name("acceptance.subject", subject)
    return text + (f" ({case.say('acceptance.simulated')})" if any(target.simulated for target in targets) else "")
