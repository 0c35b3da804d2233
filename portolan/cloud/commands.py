"""`portolan preflight`: ask the cloud before anything is bought."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portolan.errors import EXIT_FAILED, PortolanError
from portolan.output import Format, emit, table

SHOWN = {True: "yes", False: "NO", None: "not known"}


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("preflight")(preflight)


def preflight(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="aws")],
    site: Annotated[Path, typer.Argument(metavar="SITE", help="Site file of topology cloud or hybrid.")],
    output: Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")] = Format.TABLE,
) -> None:
    """Ask the provider whether SITE's plan is possible: credentials, instance types, quotas. Changes nothing.

    Exit code 1 where something is missing or not known, 2 where the provider could not be asked.
    """
    from portolan.cloud import amazon
    from portolan.requirements import load_requirements
    from portolan.sites.loader import load_site
    from portolan.sizing.engine import size

    if provider != "aws":
        raise PortolanError(
            "preflight", f"provider {provider!r} cannot be asked yet", "use aws; see docs/reference/cloud.md"
        )
    plan = size(load_site(site), load_requirements()).cloud
    if plan is None:
        raise PortolanError(str(site), "the plan rents nothing from a cloud", "use a site of topology cloud or hybrid")
    if plan.provider != provider:
        raise PortolanError(
            str(site), f"the site's cloud is {plan.provider}", f"run: portolan preflight {plan.provider}"
        )
    findings = amazon.preflight(plan)
    if output is Format.TABLE:
        rows = [(one.name, SHOWN[one.passed], one.needed, one.found, one.remedy) for one in findings]
        table(f"{provider}, {plan.region}", ("what", "good", "needed", "found", "remedy"), rows)
    else:
        emit([one.model_dump(mode="json") for one in findings], output)
    if not all(one.passed for one in findings):
        raise typer.Exit(EXIT_FAILED)
