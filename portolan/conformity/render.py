"""What verification found, for people and for programs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from portolan.conformity.evidence import Judgement
from portolan.conformity.judge import show
from portolan.sizing.plan import Verdict

# What needs somebody's hand comes first.
ORDER: tuple[Verdict, ...] = ("fail", "not-measured", "pass")
COLOURS: dict[Verdict, str] = {"fail": "bold red", "not-measured": "yellow", "pass": "green"}
# Column and the part of the width that it takes where there is not enough; None: never broken.
COLUMNS = (
    ("verdict", None),
    ("check", None),
    ("subject", None),
    ("wanted", 2),
    ("measured", 2),
    ("why", 6),
    ("requirement", None),
)
WIDTH_ELSEWHERE = 160  # where standard output is no terminal


def in_order(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Return fails first, then what was not measured, then passes; each group in the plan's order."""
    return sorted(judgements, key=lambda judgement: ORDER.index(judgement.verdict))


@dataclass
class _Row:
    """One line of the table: what several targets have in common, and which they are."""

    first: Judgement
    requirements: list[str]
    subjects: list[str]


def rows(judgements: Sequence[Judgement]) -> list[tuple[str, ...]]:
    """Return the lines of the table: targets that differ in requirement or subject only share a line."""
    lines: dict[tuple[str, ...], _Row] = {}
    for judgement in in_order(judgements):
        target = judgement.target
        line = lines.setdefault(_common(judgement), _Row(judgement, [], []))
        for names, name in ((line.requirements, target.requirement), (line.subjects, target.subject)):
            if name not in names:
                names.append(name)
    return [
        (
            f"[{COLOURS[line.first.verdict]}]{line.first.verdict}[/]",
            *(plain(text) for text in (check, _joined(line.subjects), *cells, "\n".join(line.requirements))),
        )
        for (_, check, *cells), line in lines.items()
    ]


def _common(judgement: Judgement) -> tuple[str, ...]:
    target, evidence = judgement.target, judgement.evidence
    statistic = "" if target.statistic == "value" else f"{target.statistic} "
    wanted = (
        "yes" if target.operator == "present" else f"{statistic}{target.operator} {show(target.value, target.unit)}"
    )
    measured = "" if evidence.value is None else show(evidence.value, evidence.unit)
    if measured and (evidence.simulated or target.simulated):
        measured += " (simulated)"
    why = judgement.explanation if judgement.verdict == "not-measured" else evidence.detail
    return judgement.verdict, target.check, wanted, measured, why


def _joined(subjects: Sequence[str]) -> str:
    """Return subjects a line each, those of one kind with the kind once.

    >>> _joined(["host/control-1", "host/worker-1"])
    'host/control-1\\n     worker-1'
    """
    kind = subjects[0].partition("/")[0] + "/"
    return "\n".join([subjects[0], *(subject.replace(kind, " " * len(kind), 1) for subject in subjects[1:])])


def print_table(site: str, judgements: Sequence[Judgement]) -> None:
    """Print the table for people on standard output."""
    grid = Table(
        title=f"Verification of site {site}", title_justify="left", box=SIMPLE_HEAD, expand=True, padding=(0, 1)
    )
    for column, ratio in COLUMNS:
        grid.add_column(column, ratio=ratio, no_wrap=ratio is None, overflow="fold")
    for line in rows(judgements):
        grid.add_row(*line)
    width = None if sys.stdout.isatty() else WIDTH_ELSEWHERE
    Console(highlight=False, width=width).print(grid)


def plain(text: str) -> str:
    """Return text in which rich finds no markup."""
    return text.replace("[", r"\[")


def summary(judgements: Sequence[Judgement]) -> dict[str, int]:
    """Return how many of each verdict."""
    counts = Counter(judgement.verdict for judgement in judgements)
    return {verdict: counts[verdict] for verdict in ("pass", "fail", "not-measured")}


def summary_line(judgements: Sequence[Judgement]) -> str:
    """Return the closing line for people."""
    counts = summary(judgements)
    return f"{counts['pass']} pass, {counts['fail']} fail, {counts['not-measured']} not measured"


def document(site: str, time: str, judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return the JSON document; judgements stand in the plan's order."""
    return {
        "site": site,
        "time": time,
        "summary": summary(judgements),
        "judgements": [judgement.model_dump(mode="json", exclude={"evidence": {"raw"}}) for judgement in judgements],
    }
