"""`make scenario [NAME]`: list the scenarios, or run one in full and record its pass."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from portolan.errors import EXIT_COULD_NOT_RUN, PortolanError
from portolan.output import Format, emit, people, table
from tests.support import scenarios


def main(
    name: Annotated[str | None, typer.Argument(help="The scenario; without it they are listed.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="Further arguments of pytest, after --.")] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How the list is printed.")] = Format.TABLE,
) -> None:
    """Run a scenario's tests in full in a sandbox of its own, which is taken down at the end.

    A pass is written to tests/scenarios/passed/NAME.json: commit it. PORTOLAN_TEST_KEEP=1 leaves the sandbox standing.
    """
    if name is None:
        show(output)
        return
    scenario = scenarios.load(name)
    people.print(f"{name}: {scenario.title}, some {scenario.minutes} minutes", markup=False)
    os.environ["PORTOLAN_SCENARIO"] = name
    command = [sys.executable, "-m", "pytest", "-x", "-v", str(scenarios.FOLDER / name), *(arguments or ())]
    os.execv(sys.executable, command)


def show(output: Format) -> None:
    """Print every scenario, and whether its last pass still holds."""
    rows = []
    for name in scenarios.names():
        scenario, last = scenarios.load(name), scenarios.record(name)
        changed = scenarios.changed(name, scenario)
        rows.append(
            {
                "name": name,
                "title": scenario.title,
                "minutes": scenario.minutes,
                "passed_at": last.passed_at if last else None,
                "holds": not changed,
                "changed_since": changed if last else [],
            }
        )
    if output is not Format.TABLE:
        emit(rows, output)
        return
    table(
        "Scenarios (run one: make scenario NAME)",
        ("name", "what it shows", "minutes", "last pass", "changed since"),
        [
            (
                row["name"],
                row["title"],
                str(row["minutes"]),
                row["passed_at"] or "never",
                ", ".join(row["changed_since"]) or ("-" if row["holds"] else "everything"),
            )
            for row in rows
        ],
    )


if __name__ == "__main__":
    try:
        typer.run(main)
    except PortolanError as error:
        people.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(EXIT_COULD_NOT_RUN)
