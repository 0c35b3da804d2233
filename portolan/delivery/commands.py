"""`portolan up`, `down`, `status` and `score`."""

from __future__ import annotations

from pathlib import Path

import typer

from portolan.inventory.location import LOCATION
from portolan.output import Format, emit, people, table

SITE = typer.Argument(help="Path of the site file, for example sites/sandbox.yaml.")
OUTPUT = typer.Option(Format.TABLE, "-o", "--output", help="How the document is printed.")


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""

    @app.command()
    def up(site: Path = SITE, location: LOCATION = None) -> None:
        """From the site file to a running, verified platform; continues where it was stopped.

        Exit code 0: the platform stands; targets that it does not meet yet are named, and make `portolan verify`
        exit with 1. 2: a stage could not do its work.
        """
        from portolan.delivery.up import up as bring_up

        failing = bring_up(site, location)
        if failing:
            people.print(f"\n{failing} targets of the plan fail: see the table above, and docs/how-to/verify.md")

    @app.command()
    def down(site: Path = SITE) -> None:
        """Remove the hosts that this machine made for the site, and the site's state."""
        from portolan.delivery.down import down as take_down

        people.print(take_down(site), markup=False, soft_wrap=True)

    @app.command()
    def status(site: Path = SITE, output: Format = OUTPUT) -> None:
        """Show how the last `portolan up` of the site went, and its hosts."""
        from portolan.delivery.stages import read_record
        from portolan.delivery.up import record_path
        from portolan.sandbox import listing
        from portolan.sites import load_site

        described = load_site(site)
        record = read_record(record_path(described.name), described.name)
        made_here = described.hosts.provider == "sandbox"
        hosts = listing.rows(described.name) if made_here else []
        if output is not Format.TABLE:
            emit({**record.model_dump(mode="json"), "hosts": hosts}, output)
            return
        table(
            f"last run of portolan up {site}",
            ("stage", "state", "seconds", "started", "result"),
            [(one.name, one.state, f"{one.seconds:.1f}", one.started, one.result) for one in record.stages],
        )
        if made_here:
            table(
                "hosts",
                ("host", "role", "state", "address"),
                [tuple(str(host.get(key, "")) for key in ("host", "role", "state", "address")) for host in hosts],
            )

    @app.command()
    def score(
        site: Path = SITE,
        declarations: Path = typer.Argument(help="A CSV file with the columns of the published declarations."),
        rows: int = typer.Option(20, "--rows", min=1, max=1000, help="Score at most so many declarations."),
        output: Format = OUTPUT,
    ) -> None:
        """Score declarations by the running service: score, lane and the main reasons of each."""
        from portolan.delivery import card
        from portolan.delivery.score import print_scores, read_declarations, score_declarations
        from portolan.inventory.members import home_cluster
        from portolan.platform.access import access_of
        from portolan.sites import load_site

        home = home_cluster(site)
        read = read_declarations(declarations, rows)
        print_scores(score_declarations(card.endpoint(home), read, access_of(load_site(home).name)), output)

    @app.command()
    def token(site: Path = SITE) -> None:
        """Print a token for the risk score, good for an hour: what `Authorization: Bearer` takes."""
        from portolan.inventory.members import home_cluster
        from portolan.platform.access import access_of
        from portolan.sites import load_site

        typer.echo(access_of(load_site(home_cluster(site)).name).token)
