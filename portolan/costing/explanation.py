"""Why a line of the bill is what it is."""

from __future__ import annotations

from pathlib import Path

from portolan.costing.commands import report_of
from portolan.costing.shapes import Step
from portolan.errors import PortolanError
from portolan.output import Format, emit, table
from portolan.sizing.nearest import remedy
from portolan.sizing.plan import Quantity
from portolan.sizing.view import human


def explain_line(site: Path, item: str, output: Format, price_book: Path | None = None) -> None:
    """Print the chain behind a line of the bill; raises PortolanError with near names where there is no such line."""
    report = report_of(site, 10, 1, price_book)
    currency = report.currency
    lines = {line.item: line for option in report.options for line in option.bill.lines}
    if item not in lines:
        raise PortolanError(
            f"bill of {site}", f"no line called '{item}'", remedy(item, lines, "portolan cost SITE -o json")
        )
    line = lines[item]
    if output is not Format.TABLE:
        emit(line.model_dump(mode="json"), output)
        return
    rows = [
        (
            step.origin,
            f"{'  ' * (step.depth - 1)}\u2514 {step.explains}: {step.name}" if step.depth else step.name,
            _shown(step),
            "\n".join([step.expression, *(f"{key} = {value:,.6g}" for key, value in step.inputs.items())]).strip(),
            step.source,
        )
        for step in line.chain
    ]
    title = f"{item}: {line.total:,.2f} {currency}"
    table(title, ("origin", "name", "value", "how", "source"), rows)


def _shown(step: Step) -> str:
    if step.unit in ("bytes", "bits/s"):
        return human(Quantity(value=step.value, unit=step.unit, binding="", reasons=()))
    return f"{step.value:,.10g} {step.unit}".strip()
