"""`portolan sites check` and `portolan sites schema`."""

from __future__ import annotations

from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    sites = typer.Typer(no_args_is_help=True, help="Check site files, and print their schema.")
    app.add_typer(sites, name="sites")

    @sites.command()
    def check(site: Path = typer.Argument(help="Path of the site file, for example sites/sandbox.yaml.")) -> None:
        """Check a site file: exit code 0 where it is sound, else one error with file, line and remedy."""
        from portolan.output import people
        from portolan.sites.loader import load_site

        loaded = load_site(site)
        hosts = len(loaded.hosts.nodes)
        rented = f", {loaded.cloud.provider} {loaded.cloud.region}" if loaded.cloud else ""
        people.print(
            f"{site}: sound; site {loaded.name}, tier {loaded.tier.value}, "
            f"{hosts} hosts ({loaded.hosts.provider}){rented}",
            markup=False,
            soft_wrap=True,
        )

    @sites.command()
    def schema() -> None:
        """Print the JSON schema of site files, for editors that complete and check while one types."""
        from portolan.output import Format, emit
        from portolan.sites.schema import Site

        document = Site.model_json_schema()
        emit({"$schema": "https://json-schema.org/draft/2020-12/schema", **document}, Format.JSON)
