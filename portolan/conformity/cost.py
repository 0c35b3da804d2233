"""What a verification would run, and what it costs: the answer to `--dry-run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from portolan.conformity.check import Check
from portolan.conformity.depth import Depth
from portolan.model import Model
from portolan.sizing.plan import Target


class Step(Model):
    """One measurement: a check on a subject."""

    check: str
    subject: str
    needs: str
    by: str
    alone: bool
    seconds: float  # nought where it shares the run of an earlier step


def steps(targets: Sequence[Target], checks: Mapping[str, Check], depth: Depth) -> tuple[Step, ...]:
    """Return the measurements in the order of the targets; what shares one run of a tool pays once."""
    paid: set[tuple[str, str]] = set()
    found: dict[tuple[str, str], Step] = {}
    for target in targets:
        check = checks.get(target.check)
        if check is None or (target.check, target.subject) in found:
            continue
        run = (check.needs.shares or check.name, target.subject)
        seconds = 0.0 if run in paid else check.needs.seconds[depth]
        paid.add(run)
        found[target.check, target.subject] = Step(
            check=check.name,
            subject=target.subject,
            needs=check.needs.in_words,
            by=check.method.strip().splitlines()[0],
            alone=check.needs.alone,
            seconds=seconds,
        )
    return tuple(found.values())


def total_seconds(planned: Sequence[Step]) -> float:
    """Return how long it takes: what runs alone adds up, the rest runs side by side by subject."""
    beside: dict[str, float] = {}
    for step in planned:
        if not step.alone:
            beside[step.subject] = beside.get(step.subject, 0.0) + step.seconds
    return max(beside.values(), default=0.0) + sum(step.seconds for step in planned if step.alone)
