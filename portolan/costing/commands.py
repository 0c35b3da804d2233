"""`portolan cost`."""

from __future__ import annotations

import csv
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from portolan.costing.shapes import CostReport


class Output(StrEnum):
    """How costs are printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


def report_of(site: Path, draws: int, seed: int, price_book: Path | None) -> CostReport:
    """Return the cost report of a site file; items of `price_book` replace the catalogue's."""
    from datetime import UTC, datetime

    from portolan.costing.book import catalogue_with
    from portolan.costing.engine import cost
    from portolan.requirements import load_requirements
    from portolan.sites import load_site

    today = datetime.now(UTC).date()
    return cost(load_site(site), load_requirements(), catalogue_with(price_book), today, draws, seed)


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""

    @app.command()
    def cost(
        site: Path = typer.Argument(help="Path of the site file, for example sites/aws.yaml."),
        output: Output = typer.Option(Output.TABLE, "-o", "--output", help="How the costs are printed."),
        draws: int = typer.Option(1000, min=10, max=100_000, help="Draws behind the ranges."),
        seed: int = typer.Option(1, min=0, help="Seed of the draws: the same seed gives the same ranges."),
        price_book: Path | None = typer.Option(
            None, help="YAML file whose items replace those of the catalogue, or are added to them."
        ),
    ) -> None:
        """Cost a site: on-premises, cloud and hybrid over its horizon, with ranges and what drives them."""
        from portolan.output import Format, emit

        report = report_of(site, draws, seed, price_book)
        if output is Output.TABLE:
            _print(report)
        elif output is Output.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(("option", "item", "name", "quantity", "unit", "unit_price", "total", "category", "group"))
            for option in report.options:
                for line in option.bill.lines:
                    row = (
                        line.name.en,
                        line.quantity,
                        line.unit,
                        line.unit_price,
                        line.total,
                        line.category,
                        line.group,
                    )
                    writer.writerow((option.name, line.item, *row))
        else:
            emit(report.model_dump(mode="json"), Format(output.value))


def _print(report: CostReport) -> None:
    from portolan.output import people, table

    table(
        f"{report.horizon_years} years of {report.site}, {report.currency}, discounted at {report.discount_rate:.0%}",
        ("option", "purchase", "operation", "present value", "P10", "P50", "P90", "cheapest in"),
        [
            (
                option.name if option.feasible else f"{option.name} (needs unmet)",
                *(
                    f"{amount:,.0f}"
                    for amount in (
                        option.capex,
                        option.opex,
                        option.present_value,
                        option.range.p10,
                        option.range.p50,
                        option.range.p90,
                    )
                ),
                f"{report.ranks.cheapest[option.name]:.0%}",
            )
            for option in report.options
        ],
    )
    for option in report.options:
        table(
            f"Bill, {option.name}",
            ("item", "quantity", "unit", "unit price", "total", ""),
            [
                (
                    line.item,
                    f"{line.quantity:,.1f}",
                    line.unit,
                    f"{line.unit_price:,.4g}" if line.unit_price < 1 else f"{line.unit_price:,.2f}",
                    f"{line.total:,.2f}",
                    line.category,
                )
                for line in option.bill.lines
            ],
        )
    table(
        "What drives the cost",
        ("option", "input", "at low", "at high", "swing"),
        [
            (e.option, e.driver, f"{e.cost_at_low:,.0f}", f"{e.cost_at_high:,.0f}", f"{e.swing:,.0f}")
            for e in report.tornado[:10]
        ],
    )
    years = report.break_even.years
    print("owning never becomes cheaper than renting" if years is None else f"owning is cheaper from year {years:.1f}")
    for warning in report.warnings:
        people.print(f"warning: {warning}", markup=False, soft_wrap=True)
