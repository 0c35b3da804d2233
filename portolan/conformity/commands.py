"""Commands of this room."""

from __future__ import annotations

from pathlib import Path

import typer

from portolan.errors import EXIT_FAILED, EXIT_PASSED
from portolan.output import Format


def verify(
    site: Path = typer.Argument(..., help="The site file, for example sites/sandbox.yaml."),
    output: Format = typer.Option(Format.TABLE, "--output", "-o", help="table for people, json or yaml for programs."),
    evidence: Path | None = typer.Option(
        None, "--evidence", help="Keep the evidence in a folder under this one [default: the site's state]."
    ),
    only: str = typer.Option("*", "--only", help="Only targets whose check matches, for example 'host.*'."),
) -> None:
    """Measure hosts, cluster, platform and endpoints against the plan: pass, fail or not measured.

    Exit code 0: nothing fails. 1: something fails. 2: it could not run.
    """
    from portolan.conformity.run import print_run, verify_site

    run = verify_site(site, evidence, only)
    print_run(run, output)
    raise typer.Exit(EXIT_FAILED if run.summary["fail"] else EXIT_PASSED)


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("verify")(verify)
