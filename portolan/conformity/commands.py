"""Commands of this room."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from portolan.conformity.depth import Depth
from portolan.errors import EXIT_FAILED, EXIT_PASSED, PortolanError
from portolan.inventory.location import LOCATION
from portolan.output import Format


class MatrixFormat(StrEnum):
    """How the conformity matrix is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    HTML = "html"
    JUNIT = "junit"
    OSCAL = "oscal"
    PDF = "pdf"


def verify(
    site: Path | None = typer.Argument(None, help="The site file, for example sites/sandbox.yaml."),
    output: Format = typer.Option(Format.TABLE, "--output", "-o", help="table for people, json or yaml for programs."),
    evidence: Path | None = typer.Option(
        None, "--evidence", help="Keep the evidence in a folder under this one [default: the site's state]."
    ),
    only: str = typer.Option("*", "--only", help="Only targets whose check matches, for example 'host.*'."),
    depth: Depth = typer.Option(
        Depth.QUICK, "--depth", help="quick puts nothing under load; standard for seconds; burn-in for minutes a check."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only show what would be run, and what it costs."),
    past: Path | None = typer.Option(
        None, "--from", help="Judge the evidence of this folder again; nothing is measured. Edited evidence is refused."
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Go on with the run that was stopped: what it has measured is not measured again."
    ),
    public_key: str | None = typer.Option(
        None, "--public-key", help="With --from: the key that signed, where it is not this site's (base64)."
    ),
    compare: tuple[str, str] = typer.Option(
        ("", ""), "--compare", metavar="A B", help="Compare the evidence of two folders, of one site or of two."
    ),
    location: LOCATION = None,
) -> None:
    """Measure hosts, cluster, platform and endpoints against the plan: pass, fail or not measured.

    Exit code 0: nothing fails. 1: something fails (with --compare: a verdict became worse). 2: it could not run.
    """
    from portolan.conformity import past as history
    from portolan.conformity.run import print_runs, verify_site
    from portolan.inventory.members import cluster_files, on_each, one_cluster

    if all(compare):
        worse = history.print_comparison(Path(compare[0]), Path(compare[1]), output, public_key)
        raise typer.Exit(EXIT_FAILED if worse else EXIT_PASSED)
    if site is None:
        raise PortolanError("portolan verify", "no site file is given", "give one, for example sites/sandbox.yaml")
    if dry_run:
        for file in cluster_files(site, location):
            history.print_steps(file, depth, only, output)
        return
    if past is not None:
        runs = [history.verify_past(one_cluster(site, location), past, depth, only, public_key)]
    else:
        runs = on_each(site, location, lambda file: verify_site(file, evidence, only, depth, resume))
    print_runs(runs, output)
    raise typer.Exit(EXIT_FAILED if any(run.summary["fail"] for run in runs) else EXIT_PASSED)


def conformity(
    site: Path = typer.Argument(..., help="The site file, for example sites/sandbox.yaml."),
    output: MatrixFormat = typer.Option(MatrixFormat.TABLE, "--output", "-o", help="How the matrix is written."),
    out: Path | None = typer.Option(None, "--out", help="Write to this file [default: standard output]."),
    past: Path | None = typer.Option(
        None, "--from", help="Evidence of this folder [default: the newest complete run of the site]."
    ),
    language: str = typer.Option("en", help="Language of CSV, HTML and PDF: en or fr."),
    public_key: str | None = typer.Option(None, "--public-key", help="The key that signed, where it is another's."),
    location: LOCATION = None,
) -> None:
    """Show, requirement by requirement, what was planned, deployed, checked and found; coverage first.

    Exit code 0: no row fails. 1: a row fails. 2: it could not run.
    """
    from portolan.conformity.acceptance_matrix import site_matrix, write_matrix
    from portolan.inventory.members import one_cluster
    from portolan.requirements.selection import language_of

    site = one_cluster(site, location)
    chosen = language_of(language)
    found = site_matrix(site, past, public_key)
    write_matrix(found, output.value, out, chosen)
    raise typer.Exit(EXIT_FAILED if found.verdicts["fail"] else EXIT_PASSED)


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("verify")(verify)
    app.command("conformity")(conformity)
