"""A number of the plan, with every reason that was weighed for it."""

from __future__ import annotations

from portolan.model import Model


class Reason(Model):
    """Why a number is what it is: a line of the report, or a formula with its inputs.

    An input that is no figure of the site file and no constant has its own reason in `follows`, by the input's name.
    """

    value: float
    requirement: str | None = None  # id of a requirement row
    formula: str | None = None  # name of the formula, for example "declarations.cores"
    source: str = ""  # report section, paper or datasheet
    inputs: dict[str, float] = {}
    follows: dict[str, Reason] = {}


class Quantity(Model):
    """A number with its unit and every reason that was weighed; `binding` names the one that won."""

    value: float
    unit: str
    binding: str
    reasons: tuple[Reason, ...]

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)
