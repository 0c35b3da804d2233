"""`portolan size` and `portolan explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from portolan.output import Format

if TYPE_CHECKING:
    from portolan.sizing.plan import Plan

SITE = typer.Argument(help="Path of the site file, for example sites/sandbox.yaml.")
PRICE_BOOK = typer.Option(None, help="YAML file whose items replace those of the catalogue, or are added to them.")


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""

    @app.command()
    def size(
        site: Path = SITE,
        output: Format = typer.Option(Format.TABLE, "-o", "--output", help="How the plan is printed."),
        out: Path | None = typer.Option(None, "--out", help="Also write the plan, as JSON, to this file."),
        price_book: Path | None = PRICE_BOOK,
    ) -> None:
        """Size a site: print the plan, each number with what set it."""
        from portolan.sizing import view

        plan = _with_clouds(site, _plan(site, price_book), price_book)
        if out is not None:
            view.write(plan, out)
        if output is Format.TABLE:
            view.print_tables(plan)
        else:
            view.emit_plan(plan, output)

    @app.command()
    def explain(
        site: Path = SITE,
        item: str = typer.Argument(
            help="A number of the plan, for example services.risk-scoring.replicas, or a line of the bill, "
            "for example bill.on-prem.staff."
        ),
        output: Format = typer.Option(Format.TABLE, "-o", "--output", help="How the chain is printed."),
        price_book: Path | None = PRICE_BOOK,
    ) -> None:
        """Say why a number of the plan is what it is: every reason that was weighed, and the one that binds."""
        from portolan.output import emit
        from portolan.requirements import load_requirements
        from portolan.sizing import explanation

        if item.startswith("bill."):
            from portolan.costing.explanation import explain_line

            explain_line(site, item, output, price_book)
            return
        chain = explanation.explain(_plan(site, price_book), item, load_requirements())
        if output is Format.TABLE:
            explanation.print_chain(chain)
        else:
            emit(chain.model_dump(mode="json"), output)


def _with_clouds(path: Path, plan: Plan, price_book: Path | None) -> Plan:
    """Return the plan with the instances that the same load asks of each cloud; a sandbox is not compared."""
    from portolan.costing.book import catalogue_with
    from portolan.costing.engine import twin
    from portolan.requirements import load_requirements
    from portolan.sites import load_site
    from portolan.sites.cloud import REGIONS
    from portolan.sizing.engine import size

    site = load_site(path)
    if site.hosts.provider == "sandbox":
        return plan
    found = []
    for provider in REGIONS:
        finance = site.finance.model_copy(update={"compare_provider": provider})
        kept = site.cloud if site.cloud is not None and site.cloud.provider == provider else None
        elsewhere = twin(site.model_copy(update={"finance": finance, "cloud": kept}), "cloud")
        cloud = size(elsewhere, load_requirements(), catalogue_with(price_book)).cloud
        if cloud is not None:
            found.append(cloud)
    return plan.model_copy(update={"clouds": tuple(found)})


def _plan(path: Path, price_book: Path | None) -> Plan:
    from portolan.costing.book import catalogue_with
    from portolan.requirements import load_requirements
    from portolan.sites import load_site
    from portolan.sizing.engine import size

    return size(load_site(path), load_requirements(), catalogue_with(price_book))
