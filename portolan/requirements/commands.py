"""`portolan requirements`."""

from __future__ import annotations

from enum import StrEnum

import typer


class RowFormat(StrEnum):
    """How the rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class KindName(StrEnum):
    """The kinds of requirement, spelled here so that `--help` stays fast."""

    HARDWARE = "hardware"
    SOFTWARE = "software"
    NETWORK = "network"
    STORAGE = "storage"
    SECURITY = "security"
    CLUSTER = "cluster"
    SERVICE = "service"
    MLOPS = "mlops"
    COST = "cost"
    METRIC = "metric"
    GOVERNANCE = "governance"


class TierName(StrEnum):
    """The tiers; rows for any tier are part of both."""

    STARTER = "starter"
    PRODUCTION = "production"


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""

    @app.command()
    def requirements(
        section: str | None = typer.Option(None, help="Only this section of the report, for example 9.6 or 9.6.2."),
        kind: KindName | None = typer.Option(None, help="Only this kind."),
        tier: TierName | None = typer.Option(None, help="Only what binds this tier, the rows for any tier included."),
        language: str = typer.Option("en", help="Language of the table and the CSV: en or fr."),
        output: RowFormat = typer.Option(RowFormat.TABLE, "-o", "--output", help="How the rows are printed."),
    ) -> None:
        """List the report's checkable lines; JSON carries both languages."""
        from portolan.requirements import load_requirements, selection
        from portolan.sites.schema import Tier

        rows = selection.select(
            load_requirements(), section, kind.value if kind else None, Tier(tier.value) if tier else None
        )
        selection.print_rows(rows, selection.language_of(language), output.value)
