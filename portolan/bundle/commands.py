"""`portolan bundle`: build, list, path, verify, export, import."""

from __future__ import annotations

from pathlib import Path

import typer

from portolan.output import Format, emit, people, table

MEBIBYTE = 1 << 20


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    bundle = typer.Typer(
        name="bundle", no_args_is_help=True, help="Everything that is brought to a site, in one place."
    )
    app.add_typer(bundle)

    @bundle.command("build")
    def build(
        only: list[str] = typer.Option(
            [], "--only", help="An entry or artefact to make, with what it needs; repeatable."
        ),
        dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be made; make nothing."),
        mirror: str = typer.Option("", envvar="PORTOLAN_MIRROR", help="Base URL laid out like the official hosts."),
        registry_mirror: str = typer.Option(
            "", envvar="PORTOLAN_REGISTRY_MIRROR", help="Registry laid out like the official ones."
        ),
        official: bool = typer.Option(True, help="Ask the official hosts."),
        output: Format = typer.Option(Format.TABLE, "--output", "-o", help="How the document is printed."),
    ) -> None:
        """Obtain or make whatever is missing; what is there is left alone."""
        from portolan.bundle import session

        workshop = session.workshop(mirror, registry_mirror, official)
        if dry_run:
            session.print_survey(workshop, only, output)
        else:
            session.print_build(workshop, only, output)

    @bundle.command("list")
    def list_entries(
        output: Format = typer.Option(Format.TABLE, "--output", "-o", help="How the document is printed."),
    ) -> None:
        """Show what the bundle holds."""
        from portolan import paths
        from portolan.bundle.view import Bundle

        index = Bundle.open(paths.cache()).index
        if output is not Format.TABLE:
            emit({"entries": [entry.model_dump(mode="json") for entry in index.entries]}, output)
            return
        rows = [
            (
                entry.kind,
                entry.name,
                entry.version,
                entry.source,
                f"{entry.size_bytes / MEBIBYTE:.1f}",
                entry.sha256[:12],
            )
            for entry in index.entries
        ]
        table("bundle", ("kind", "name", "version", "source", "MiB", "sha256"), rows)

    @bundle.command("push")
    def push(
        registry: str = typer.Argument(help="HOST[:PORT][/FOLDER], for example of ECR with the site's name."),
        only: list[str] = typer.Option([], "--only", help="Only this image of the bundle; repeatable."),
        authfile: Path | None = typer.Option(None, help="Credentials that `buildah login --authfile` wrote."),
        output: Format = typer.Option(Format.TABLE, "--output", "-o", help="How the document is printed."),
    ) -> None:
        """Put the platform's images into a private registry, from which a rented cluster pulls them."""
        from portolan import paths
        from portolan.bundle import push as pushing
        from portolan.bundle.view import Bundle

        cache = paths.cache()
        done = pushing.push(
            Bundle.open(cache), cache, registry, only, authfile, lambda line: people.print(line, markup=False)
        )
        if output is Format.TABLE:
            table(registry, ("image", "reference", "digest"), [(one.name, one.reference, one.digest) for one in done])
        else:
            emit({"images": [one.model_dump() for one in done]}, output)
        people.print(f"now say so to the stack: pulumi config set portolan:registry {registry}", markup=False)

    @bundle.command("path")
    def path(name: str = typer.Argument(help="An entry, for example helm or kserve-crd.")) -> None:
        """Print the path of an entry."""
        from portolan.bundle import session

        print(session.path_of(name))

    @bundle.command("verify")
    def verify(
        output: Format = typer.Option(Format.TABLE, "--output", "-o", help="How the document is printed."),
    ) -> None:
        """Hash every file again; exit 1 where one is not what the index says."""
        from portolan.bundle import session

        if not session.print_verification(output):
            raise typer.Exit(1)

    @bundle.command("prune")
    def prune() -> None:
        """Remove what the present bundle is not made from: older versions' files, records and images."""
        from portolan.bundle import session

        session.prune()

    @bundle.command("export")
    def export(file: Path = typer.Argument(help="The archive to write, for example portolan-bundle.tar.zst.")) -> None:
        """Write the whole bundle as one archive for a site without a network."""
        from portolan import paths
        from portolan.bundle.archive import export_bundle

        size = export_bundle(paths.cache(), file)
        people.print(f"{file}: {size / MEBIBYTE:.0f} MiB", soft_wrap=True)

    @bundle.command("import")
    def import_(file: Path = typer.Argument(help="An archive that `portolan bundle export` wrote.")) -> None:
        """Check an archive and take its content over; a damaged one changes nothing."""
        from portolan import paths
        from portolan.bundle.archive import import_bundle

        index = import_bundle(paths.cache(), file)
        people.print(f"{file}: {len(index.entries)} entries are in the bundle now", soft_wrap=True)
