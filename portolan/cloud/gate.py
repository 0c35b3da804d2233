"""What stands between a plan and a bill: the report's rules and the month's cost, before the engine is asked."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from portolan.cloud.cost import CostLine, differences, monthly_lines, monthly_total
from portolan.cloud.rehearsal import declared
from portolan.cloud.resources import of_state
from portolan.costing.book import load_catalogue
from portolan.errors import PortolanError
from portolan.output import people
from portolan.sizing.plan import Plan


def hold(plan: Plan, document: dict[str, Any] | None) -> None:
    """Refuse a stack that breaks a rule, and say what it costs a month and how that differs from the deployed one.

    Raises PortolanError with every violation: the requirement, what was found, what is asked, and how to mend it.
    """
    resources = declared(plan)
    limits = import_module("stacks.policies.limits").limits_of(plan.cloud)
    violations = import_module("stacks.policies.rules").judge_stack(resources, limits)
    if violations:
        said = "\n".join(str(one) for one in violations)
        count = f"{len(violations)} of the report's rules are broken, nothing was changed:"
        raise PortolanError(f"stack {plan.site}", f"{count}\n{said}", violations[0].remedy)
    catalogue = load_catalogue()
    lines = monthly_lines(resources, plan.cloud, catalogue)
    before = monthly_lines(of_state(document), plan.cloud, catalogue) if document else []
    for line in described(lines, before):
        people.print(line, markup=False, soft_wrap=True)


def described(lines: list[CostLine], before: list[CostLine]) -> list[str]:
    """Return the cost in lines for people: each resource, the sum, and what changes."""
    said = [
        f"  {one.monthly:>10.2f} USD  {one.resource} ({one.kind.split(':')[-1]}), {one.item}, price of {one.price_date}"
        for one in sorted(lines, key=lambda one: -one.monthly)
    ]
    total = monthly_total(lines)
    said = ["a month costs, by resource:", *said, f"  {total:>10.2f} USD  together"]
    if not before:
        return [*said, "nothing was deployed yet: all of it is new"]
    changes = differences(before, lines)
    said += [
        f"  {one.difference:>+10.2f} USD  {one.resource} ({one.kind.split(':')[-1]}), {one.item}" for one in changes
    ]
    return [*said, f"  {total - monthly_total(before):>+10.2f} USD  to the last deployment"]
