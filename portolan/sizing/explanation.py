"""Why a number of the plan is what it is."""

from __future__ import annotations

from collections.abc import Iterator

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.output import table
from portolan.requirements.schema import Requirements
from portolan.sizing import engine  # noqa: F401  (its modules register the formulas)
from portolan.sizing.nearest import remedy
from portolan.sizing.plan import Plan, Quantity
from portolan.sizing.reasons import FORMULAS, walk
from portolan.sizing.view import human

EVERYTHING = "portolan size SITE -o json"
PARTS = (
    "accelerators",
    "streaming",
    "backup",
    "registry",
    "notebooks",
    "monitoring",
    "facility",
    "cloud",
    "traffic",
    "spares",
)


class Step(Model):
    """One reason: where it comes from, in words, and whether it won."""

    value: float
    binds: bool
    requirement: str | None = None
    requirement_text: str | None = None
    formula: str | None = None
    expression: str | None = None
    source: str = ""
    inputs: dict[str, float] = {}
    depth: int = 0  # 1: the reason of an input of the reason above, 2: of an input of that, ...
    explains: str = ""  # the input


class Chain(Model):
    """A number and everything that was weighed to set it, the largest first."""

    site: str
    item: str
    value: float
    unit: str
    shown: str
    binding: str
    steps: tuple[Step, ...]


def quantities(plan: Plan) -> Iterator[tuple[str, Quantity]]:
    """Yield every number of the plan with its path, for example `services.risk-scoring.replicas`."""
    for room, values in (("pools", plan.pools), ("services", plan.services)):
        for value in values:
            yield from _fields(f"{room}.{value.name}", value)
    yield from _fields("storage", plan.storage)
    yield from _fields("network", plan.network)
    for room in PARTS:
        part = getattr(plan, room)
        if part is not None:
            yield from _fields(room, part)
    for pool in plan.cloud.pools if plan.cloud else ():
        yield from _fields(f"cloud.{pool.pool}", pool)
    for year in plan.years:
        yield from _fields(f"years.{year.year}", year)


def _fields(prefix: str, value: Model) -> Iterator[tuple[str, Quantity]]:
    for name in type(value).model_fields:
        quantity = getattr(value, name)
        if isinstance(quantity, Quantity):
            yield f"{prefix}.{name}", quantity


def explain(plan: Plan, item: str, requirements: Requirements) -> Chain:
    """Return the chain behind one number of the plan.

    Raises PortolanError, with the paths that are near, where the plan has no such number.
    """
    known = dict(quantities(plan))
    if item not in known:
        raise PortolanError(f"plan of {plan.site}", f"no number called '{item}'", remedy(item, known, EVERYTHING))
    quantity = known[item]
    texts = {row.id: row.text.en for row in requirements.rows}
    return Chain(
        site=plan.site,
        item=item,
        value=quantity.value,
        unit=quantity.unit,
        shown=human(quantity),
        binding=quantity.binding,
        steps=tuple(
            Step(
                value=reason.value,
                binds=place == 0 and depth == 0,
                requirement=reason.requirement,
                requirement_text=texts.get(reason.requirement or ""),
                formula=reason.formula,
                expression=FORMULAS[reason.formula].expression if reason.formula in FORMULAS else None,
                source=reason.source,
                inputs=reason.inputs,
                depth=depth,
                explains=name,
            )
            for place, weighed in enumerate(quantity.reasons)
            for depth, name, reason in walk(weighed)
        ),
    )


def print_chain(chain: Chain) -> None:
    """Print the chain for people."""
    rows = []
    for step in chain.steps:
        why = step.requirement_text or ""
        if step.inputs:
            numbers = ", ".join(f"{name} = {value:,.6g}" for name, value in step.inputs.items())
            why = f"{why}\n{step.expression or ''}\n{numbers}".strip()
        origin = " + ".join(name for name in (step.requirement, step.formula) if name)
        mark = "binds" if step.binds else f"{'  ' * (step.depth - 1)}\u2514 {step.explains}" if step.depth else ""
        shown = human(Quantity(value=step.value, unit=chain.unit, binding="", reasons=()))
        rows.append((mark, f"{step.value:,.10g}" if step.depth else shown, origin, why, step.source))
    table(f"{chain.item} of {chain.site}: {chain.shown}", ("", "value", "reason", "in words", "source"), rows)
