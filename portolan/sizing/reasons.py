"""How a number comes with its reasons: formulas carry their name, expression and source; the largest reason binds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, ParamSpec

from portolan.requirements.schema import Requirement
from portolan.requirements.units import in_base_units
from portolan.sizing.plan import Quantity, Reason


@dataclass(frozen=True)
class Formula:
    """A named formula: a pure function of numbers, how it reads, and where it comes from."""

    name: str
    expression: str
    source: str
    function: Callable[..., float]


P = ParamSpec("P")

FORMULAS: Final[dict[str, Formula]] = {}


def formula(name: str, expression: str, source: str) -> Callable[[Callable[P, float]], Callable[P, float]]:
    """Register a pure function of numbers under a name that plans can carry."""

    def register(function: Callable[P, float]) -> Callable[P, float]:
        if name in FORMULAS:
            raise ValueError(f"two formulas are called {name}")
        FORMULAS[name] = Formula(name, expression, source, function)
        return function

    return register


def weigh(name: str, **inputs: float | Reason | Quantity) -> Reason:
    """Return the reason that the formula called `name` gives for these inputs; reasons among them are kept.

    Raises KeyError for a formula that no module has registered.
    """
    chosen = FORMULAS[name]
    numbers = {key: number if isinstance(number, int | float) else number.value for key, number in inputs.items()}
    return Reason(
        value=tidy(chosen.function(**numbers)),
        formula=name,
        source=chosen.source,
        inputs={key: tidy(number) for key, number in numbers.items()},
        follows=_reasons(inputs),
    )


def constant(name: str, value: float, source: str, **inputs: float | Reason | Quantity) -> Reason:
    """Return the reason for a number that is chosen, measured or summed up; `source` says by whom, when and of what."""
    numbers = {key: number if isinstance(number, int | float) else number.value for key, number in inputs.items()}
    kept = {key: tidy(number) for key, number in numbers.items()}
    return Reason(value=value, formula=name, source=source, inputs=kept, follows=_reasons(inputs))


def _reasons(inputs: Mapping[str, float | Reason | Quantity]) -> dict[str, Reason]:
    return {
        key: given if isinstance(given, Reason) else given.reasons[0]
        for key, given in inputs.items()
        if isinstance(given, Reason | Quantity)
    }


def walk(reason: Reason, depth: int = 0, name: str = "") -> Iterator[tuple[int, str, Reason]]:
    """Yield a reason and those of its inputs, down to figures and constants: depth, the input explained, the reason."""
    yield depth, name, reason
    for key, inner in reason.follows.items():
        yield from walk(inner, depth + 1, key)


def required(row: Requirement) -> Reason:
    """Return the reason that a requirement row with a number gives, in base units.

    Raises TypeError for a row without a number.
    """
    if not isinstance(row.value, float):
        raise TypeError(f"{row.id} has no number")
    value, _ = in_base_units(row.value, row.unit)
    return Reason(value=value, requirement=row.id, source=f"report, section {row.section}")


def decide(unit: str, *reasons: Reason) -> Quantity:
    """Return the quantity that the largest reason sets; between equals a requirement binds before a formula.

    Raises ValueError without reasons: a number without a reason is not allowed into a plan.
    """
    if not reasons:
        raise ValueError(f"a quantity in {unit} without any reason")
    ordered = sorted(reasons, key=lambda reason: (-reason.value, reason.requirement is None))
    winner = ordered[0]
    return Quantity(
        value=winner.value, unit=unit, binding=winner.requirement or winner.formula or "", reasons=tuple(ordered)
    )


def tidy(value: float) -> float:
    """Round to twelve significant digits, so that the same site gives the same bytes on every machine."""
    return float(f"{value:.12g}")
