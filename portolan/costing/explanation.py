"""Why a line of the bill is what it is."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from portolan.costing.commands import report_of
from portolan.errors import PortolanError
from portolan.output import Format, emit, table


def explain_line(site: Path, item: str, output: Format, price_book: Path | None = None) -> None:
    """Print the chain behind a line of the bill; raises PortolanError with near names where there is no such line."""
    lines = {line.item: line for option in report_of(site, 10, 1, price_book).options for line in option.bill.lines}
    if item not in lines:
        near = get_close_matches(item, lines, n=3, cutoff=0.5) or list(lines)
        raise PortolanError(f"bill of {site}", f"no line called '{item}'", f"did you mean {', '.join(near)}?")
    line = lines[item]
    if output is not Format.TABLE:
        emit(line.model_dump(mode="json"), output)
        return
    rows = [
        (
            step.origin,
            step.name,
            f"{step.value:.10g} {step.unit}".strip(),
            "\n".join([step.expression, *(f"{key} = {value:g}" for key, value in step.inputs.items())]).strip(),
            step.source,
        )
        for step in line.chain
    ]
    table(f"{item}: {line.total:,.2f}", ("origin", "name", "value", "how", "source"), rows)
