"""The conformity matrix: each requirement with what the plan set, what deploys it, what checks it, and what was found.

A row passes where every one of its targets passed; one that failed fails it, one that was not measured leaves it open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

from portolan.conformity.acceptance import answered_by, beyond_rows, why_unanswered
from portolan.conformity.check import Check
from portolan.conformity.evidence import Judgement
from portolan.conformity.judge import show
from portolan.model import Model
from portolan.requirements.schema import Requirement, Requirements
from portolan.sizing.plan import Plan, Verdict

DEPLOYS = Path(__file__).with_name("deploys.yaml")

# How a row is covered, best first. "declared": something deploys it, nothing has looked whether it holds.
Coverage = Literal["measured", "inspected", "declared", "not-measured"]
COVERAGES: tuple[Coverage, ...] = ("measured", "inspected", "declared", "not-measured")
NO_CHECK = "no check answers this row yet"


class MatrixRow(Model):
    """One requirement of the matrix."""

    id: str
    section: str
    component: str
    text: dict[str, str]
    kind: str
    level: str
    plan: tuple[str, ...]  # what the plan set because of it
    deploys: tuple[str, ...]
    checks: tuple[str, ...]
    coverage: Coverage
    verdict: Verdict
    reason: str  # why it is not passed; empty where it is
    judgements: tuple[Judgement, ...]


class Matrix(Model):
    """All rows that bind a site, and those that do not by their ids."""

    site: str
    tier: str
    topology: str
    evidence_time: str
    evidence_depth: str
    evidence_sha256: str
    rows: tuple[MatrixRow, ...]
    not_applicable: tuple[str, ...]

    @property
    def coverage(self) -> dict[str, int]:
        """Return how many rows are covered how, all four kinds named."""
        counts = Counter(row.coverage for row in self.rows)
        return {name: counts[name] for name in COVERAGES}

    @property
    def verdicts(self) -> dict[str, int]:
        """Return how many rows pass, fail and are not measured."""
        counts = Counter(row.verdict for row in self.rows)
        return {name: counts[name] for name in ("pass", "fail", "not-measured")}


@cache
def _means() -> dict[str, dict[str, list[str]]]:
    from ruamel.yaml import YAML

    found: dict[str, dict[str, list[str]]] = YAML(typ="safe").load(DEPLOYS.read_text(encoding="utf-8"))
    return found


def deployed_by(row: str, checks: Sequence[str]) -> tuple[str, ...]:
    """Return what puts in place what a row asks for."""
    found = list(_means()["rows"].get(row, []))
    for check in checks:
        found += next((paths for pattern, paths in _means()["checks"].items() if fnmatchcase(check, pattern)), [])
    return tuple(dict.fromkeys(found))


def set_by_plan(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return, by requirement, the quantities of the plan that weighed it; the binding ones are marked."""
    found: dict[str, list[str]] = {}
    for name, quantity in _quantities(plan.model_dump(mode="json"), ""):
        for reason in quantity["reasons"]:
            if reason.get("requirement"):
                binding = " (binding)" if quantity["binding"] == reason["requirement"] else ""
                text = f"{name}: {show(float(quantity['value']), quantity['unit'])}{binding}"
                found.setdefault(reason["requirement"], []).append(text)
    return {name: tuple(dict.fromkeys(texts)) for name, texts in found.items()}


def _quantities(value: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if "reasons" in value and "binding" in value:
            yield name, value
            return
        own = str(value.get("name", ""))
        for key, part in value.items():
            yield from _quantities(part, " ".join(word for word in (name, own, key.replace("_", " ")) if word))
    elif isinstance(value, list):
        for part in value:
            yield from _quantities(part, name)


def row_of(
    requirement: Requirement, judgements: Sequence[Judgement], plan: Sequence[str], checks: Mapping[str, Check]
) -> MatrixRow:
    """Return a requirement's row; pure."""
    names = tuple(dict.fromkeys([*answered_by(requirement), *(entry.target.check for entry in judgements)]))
    deploys = deployed_by(requirement.id, names)
    judged = [entry for entry in judgements if entry.verdict != "not-measured"]
    coverage: Coverage = "declared" if deploys else "not-measured"
    if judged:
        coverage = "measured" if any(entry.evidence.ground == "measured" for entry in judged) else "inspected"
    verdict, reason = _verdict(requirement.id, names, judgements, checks)
    return MatrixRow(
        id=requirement.id,
        section=requirement.section,
        component=requirement.component,
        text={"en": requirement.text.en, "fr": requirement.text.fr},
        kind=requirement.kind.value,
        level=requirement.level,
        plan=tuple(plan),
        deploys=deploys,
        checks=names,
        coverage=coverage,
        verdict=verdict,
        reason=reason,
        judgements=tuple(
            entry.model_copy(update={"evidence": entry.evidence.model_copy(update={"raw": ""})}) for entry in judgements
        ),
    )


def _verdict(
    row: str, names: Sequence[str], judgements: Sequence[Judgement], checks: Mapping[str, Check]
) -> tuple[Verdict, str]:
    if not names:
        return "not-measured", why_unanswered(row).get("en", NO_CHECK)
    if not judgements:
        unknown = [name for name in names if name not in checks]
        return "not-measured", f"no check is called {', '.join(unknown)}" if unknown else "the site has no such subject"
    # What the row does not ask for fails it where it fails; where it is not there, the row does not wait for it.
    asked = [entry for entry in judgements if (row, entry.target.check) not in beyond_rows()] or judgements
    for wanted, among in (("fail", judgements), ("not-measured", asked)):
        for entry in among:
            if entry.verdict == wanted:
                verdict: Verdict = entry.verdict
                return verdict, f"{entry.target.check} on {entry.target.subject}: {entry.explanation}"
    return "pass", ""


def matrix(
    plan: Plan,
    requirements: Requirements,
    judgements: Sequence[Judgement],
    checks: Mapping[str, Check],
    evidence: Mapping[str, str],
) -> Matrix:
    """Return the matrix of a site from the judgements on its targets; `evidence` tells time, depth and sha256."""
    by_row: dict[str, list[Judgement]] = {}
    for entry in judgements:
        by_row.setdefault(entry.target.requirement, []).append(entry)
    set_by = set_by_plan(plan)
    applying = tuple(requirements.applying(plan.tier, plan.topology))
    ids = {row.id for row in applying}
    return Matrix(
        site=plan.site,
        tier=plan.tier.value,
        topology=plan.topology.value,
        evidence_time=evidence.get("time", ""),
        evidence_depth=evidence.get("depth", ""),
        evidence_sha256=evidence.get("sha256", ""),
        rows=tuple(row_of(row, by_row.get(row.id, []), set_by.get(row.id, ()), checks) for row in applying),
        not_applicable=tuple(row.id for row in requirements.rows if row.id not in ids),
    )
