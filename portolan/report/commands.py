"""`portolan report`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import typer

from portolan.errors import PortolanError

EVERY_FORMAT = "html,pdf,xlsx,ocds,docx,json"


def register(app: typer.Typer) -> None:
    """Add this room's command to the command line."""

    @app.command()
    def report(
        site: Path = typer.Argument(help="Path of the site file, for example sites/onprem-national.yaml."),
        lang: str | None = typer.Option(None, "--lang", help="Language: en or fr; without it, the site's own."),
        formats: str = typer.Option(EVERY_FORMAT, "--format", help="Formats, with commas between them."),
        out: Path = typer.Option(..., "--out", help="Directory for the files; it is made where it does not exist."),
        day: str | None = typer.Option(
            None, "--date", help="Day of issue, YYYY-MM-DD; without it today's. The same day gives the same bytes."
        ),
        draws: int = typer.Option(1000, min=10, max=100_000, help="Draws behind the ranges of cost."),
        seed: int = typer.Option(1, min=0, help="Seed of the draws: the same seed gives the same ranges."),
        price_book: Path | None = typer.Option(
            None, help="YAML file whose items replace those of the catalogue, or are added to them."
        ),
    ) -> None:
        """Write the procurement report: summary, workload, bill, compliance matrix, acceptance tests and more."""
        from portolan.costing.book import catalogue_with
        from portolan.costing.engine import cost
        from portolan.output import people
        from portolan.report.compose import compose
        from portolan.report.language import tongue
        from portolan.report.publish import formats_of, publish
        from portolan.requirements import load_requirements
        from portolan.sites import load_site
        from portolan.sizing.engine import size

        chosen = formats_of(formats)
        issued = _day(day)
        if lang is not None:
            tongue(lang)
        described = load_site(site)
        words = tongue(lang or described.language)
        rows = load_requirements()
        catalogue = catalogue_with(price_book)
        costs = None
        if described.hosts.provider != "sandbox":  # slices of one machine are rehearsed on, not bought
            costs = cost(described, rows, catalogue, issued, draws, seed)
        document = compose(described, size(described, rows, catalogue), rows, words, issued, costs, catalogue)
        for path in publish(document, chosen, out):
            print(path)
        for sentence in document.untranslated:
            people.print(f"warning: not translated: {sentence}", markup=False, soft_wrap=True)


def _day(text: str | None) -> date:
    """Return the day of issue."""
    if text is None:
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        remedy = "write it as YYYY-MM-DD, for example 2026-11-24"
        raise PortolanError("--date", f"'{text}' is not a day", remedy) from error
