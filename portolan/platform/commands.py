"""`portolan platform`, `portolan env`, `portolan kubeconfig`: what stands on the cluster."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portolan.errors import EXIT_FAILED
from portolan.inventory.location import LOCATION
from portolan.output import Format, emit, people, table

if TYPE_CHECKING:
    from portolan.platform.program import Operation, Outcome

SITE = Annotated[Path, typer.Argument(metavar="SITE", help="Site file, for example sites/sandbox.yaml.")]
OUTPUT = Annotated[
    Format | None, typer.Option("--output", "-o", help="Print outputs and changes as json, yaml or table.")
]


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    group = typer.Typer(no_args_is_help=True, help="What stands on the cluster, by Pulumi.")
    group.command("up")(up)
    group.command("preview")(preview)
    group.command("refresh")(refresh)
    group.command("destroy")(destroy)
    app.add_typer(group, name="platform")
    queue = typer.Typer(no_args_is_help=True, help="Training that may run in the cloud, within the site's limits.")
    queue.command("submit")(burst_submit)
    queue.command("list")(burst_list)
    app.add_typer(queue, name="burst")
    app.command("env")(environment)
    app.command("kubeconfig")(kubeconfig)


def up(site: SITE, location: LOCATION = None, output: OUTPUT = None) -> None:
    """Make the platform of SITE stand as the program says; an interrupted run is continued."""
    _show(_run("up", site, location), output)


def preview(
    site: SITE,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit with 1 where something would change.")
    ] = False,
    location: LOCATION = None,
    output: OUTPUT = None,
) -> None:
    """Say what `up` would change; change nothing."""
    outcomes = _run("preview", site, location)
    _show(outcomes, output)
    changes = sum(len(outcome.changes) for outcome in outcomes)
    if expect_no_changes and changes:
        people.print(f"{changes} objects are not as the program says", style="bold red")
        raise typer.Exit(EXIT_FAILED)


def refresh(site: SITE, location: LOCATION = None, output: OUTPUT = None) -> None:
    """Read the cluster again and note what was changed by hand; the next `up` mends it."""
    _show(_run("refresh", site, location), output)


def destroy(site: SITE, location: LOCATION = None, output: OUTPUT = None) -> None:
    """Remove the platform of SITE from its cluster; what was there before stays."""
    _show(_run("destroy", site, location), output)


def burst_submit(
    site: SITE,
    name: Annotated[str, typer.Option(help="Name of the job; lower case, digits, hyphens.")],
    hours: Annotated[float | None, typer.Option(help="Time it may take; the site's limit without it.")] = None,
    data_class: Annotated[
        str, typer.Option(help="What it learns from: anonymised or public; sensitive data stay on site.")
    ] = "anonymised",
    location: LOCATION = None,
) -> None:
    """Put a training on anonymised declarations into the queue; it starts when limits and the line allow."""
    from portolan.errors import PortolanError
    from portolan.platform.bursts import submit
    from portolan.sites.locations import DataClass

    if data_class not in {one.value for one in DataClass}:
        known = ", ".join(one.value for one in DataClass)
        raise PortolanError(f"--data-class {data_class}", "is no class of data", f"give one of {known}")
    submit(site, name, hours, DataClass(data_class), location)
    people.print(f"{name} waits in the queue: portolan burst list {site}", markup=False, soft_wrap=True)


def burst_list(site: SITE, output: OUTPUT = None) -> None:
    """Say of each job what the queue and Ray say, and what was spent."""
    from portolan.platform.bursts import bursts, spent

    found, months = bursts(site), spent(site)
    if output in (Format.JSON, Format.YAML):
        emit({"bursts": [one.model_dump() for one in found], "node_hours": months}, output)
        return
    table("Bursts", ("job", "Ray", "queue"), [(one.name, one.status, one.queue) for one in found])
    for month, hours in months.items():
        people.print(f"{month}: {hours:g} node-hours taken or reserved", markup=False)


def environment(site: SITE, location: LOCATION = None) -> None:
    """Print `export` lines with which plain `pulumi up` works: eval "$(portolan env SITE)"."""
    from portolan.inventory.members import one_cluster
    from portolan.platform.environment import prepare

    prepared = prepare(one_cluster(site, location))
    people.print(prepared.toolchain.describe(), markup=False)
    for name, value in sorted(prepared.variables.items()):
        print(f"export {name}={shlex.quote(value)}")


def kubeconfig(site: SITE, location: LOCATION = None) -> None:
    """Print the path of the site's kubeconfig."""
    from portolan import paths
    from portolan.errors import PortolanError
    from portolan.inventory.members import one_cluster
    from portolan.sites.loader import load_site

    path = paths.site_state(load_site(one_cluster(site, location)).name) / "kubeconfig"
    if not path.is_file():
        raise PortolanError(str(path), "the site has no cluster yet", f"run: portolan up {site}")
    print(path)


def _run(operation: Operation, site: Path, location: str | None) -> list[Outcome]:
    from portolan.inventory.members import on_each
    from portolan.platform.program import run

    return on_each(site, location, lambda file: run(operation, file))


def _show(outcomes: list[Outcome], output: Format | None) -> None:
    for outcome in outcomes:
        verb = "would change" if outcome.operation == "preview" else "changed"
        for change in outcome.changes if outcome.operation in ("preview", "refresh") else ():
            people.print(f"  {change.describe()}", markup=False, soft_wrap=True)
        if not outcome.changes:
            people.print(f"nothing {verb}")
        if output is Format.TABLE:
            table("Outputs", ("name", "value"), [(name, str(value)) for name, value in sorted(outcome.outputs.items())])
    if output in (Format.JSON, Format.YAML):
        documents = [_document(outcome) for outcome in outcomes]
        emit(documents[0] if len(documents) == 1 else documents, output)


def _document(outcome: Outcome) -> dict[str, Any]:
    changes = [
        {"operation": one.operation, "urn": one.urn, "properties": list(one.differences)} for one in outcome.changes
    ]
    return {"operation": outcome.operation, "changes": changes, "outputs": outcome.outputs}
