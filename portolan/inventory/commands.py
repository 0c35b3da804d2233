"""`portolan inventory` and `portolan converge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portolan.errors import EXIT_FAILED
from portolan.inventory.location import LOCATION
from portolan.output import Format, emit, people, table

if TYPE_CHECKING:
    from portolan.inventory.converge import ConvergeResult
    from portolan.inventory.events import RoleSummary

SiteFile = Annotated[Path, typer.Argument(help="The site file.", metavar="SITE")]
PlatformImages = Annotated[
    bool,
    typer.Option(
        " /--without-platform-images", help="Leave out the images of what runs on the cluster: a cluster, bare."
    ),
]


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command("inventory")(show_inventory)
    app.command("converge")(run_converge)
    group = typer.Typer(no_args_is_help=True, help="The encrypted tunnel between the locations of a site.")
    group.command("status")(tunnel_status)
    group.command("rotate")(tunnel_rotate)
    app.add_typer(group, name="tunnel")


def show_inventory(
    site: SiteFile,
    everything: Annotated[bool, typer.Option("--list", help="Ansible's whole document; the same as -o json.")] = False,
    host: Annotated[str | None, typer.Option(help="Ansible's document of one host's variables.")] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print it.")] = Format.TABLE,
) -> None:
    """Print the Ansible inventory of a site: its groups, its hosts, and what is particular about each."""
    from portolan.errors import PortolanError
    from portolan.inventory.document import inventory
    from portolan.inventory.sources import read_sources

    document = inventory(read_sources(site))
    variables = document["_meta"]["hostvars"]
    if host is not None and host not in variables:
        raise PortolanError(str(site), f"the site has no host {host!r}", f"choose one of: {', '.join(variables)}")
    if output is Format.TABLE and (host is not None or everything):
        output = Format.JSON
    if output is not Format.TABLE:
        emit(variables[host] if host is not None else document, output)
        return
    table(
        f"Hosts of {document['all']['vars']['site_name']}",
        ("host", "role", "pool", "address", "user", "simulated"),
        [
            (
                name,
                known["node_role"],
                known["node_pool"],
                known.get("ansible_host", "not made yet"),
                known["ansible_user"],
                ", ".join(f"{count} {resource}" for resource, count in known["node_capacity"].items()),
            )
            for name, known in variables.items()
        ],
    )


def run_converge(
    site: SiteFile,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; say what would change.")] = False,
    limit: Annotated[str | None, typer.Option(help="Only these hosts or groups (Ansible's pattern).")] = None,
    tags: Annotated[str | None, typer.Option(help="Only these roles, for example containerd,images.")] = None,
    platform_images: PlatformImages = True,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="End with 1 where a host changed (or in check mode would).")
    ] = False,
    location: LOCATION = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")] = Format.TABLE,
) -> None:
    """Turn a site's hosts into a Kubernetes cluster (or one a location), or back to what the playbook says."""
    from portolan.inventory.converge import Options, converge_all

    people.print(f"hosts of {site}: {'checking' if check else 'converging'}", markup=False)
    extra = as_options(which_images(platform_images))
    options = Options(check=check, limit=limit, tags=tags, extra=extra)
    results = converge_all(site, options, print_role, location)
    if output is Format.TABLE:
        for result in results:
            print_result(result)
    else:
        documents = [result.model_dump(mode="json") for result in results]
        emit(documents[0] if len(documents) == 1 else documents, output)
    changed = [one for result in results for one in result.changed]
    if expect_no_changes and changed:
        people.print(f"{len(changed)} tasks changed a host, and none should have:", style="bold red")
        for one in changed:
            people.print(f"  {one.host}: {one.role} : {one.task}", markup=False)
        raise typer.Exit(EXIT_FAILED)


def tunnel_status(
    site: SiteFile,
    output: Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")] = Format.TABLE,
) -> None:
    """Say of each gateway which locations it hears; exits with 1 where one is silent."""
    from portolan.inventory.tunnel import status

    peers = status(site)
    if output is Format.TABLE:
        table(
            f"Tunnel of {site}",
            ("gateway", "to", "interface", "in use", "state", "last handshake", "received", "sent"),
            [
                (
                    peer.gateway,
                    f"{peer.location} {peer.range}",
                    peer.interface,
                    "yes" if peer.in_use else "no",
                    "up" if peer.up else "silent",
                    "never" if peer.handshake_seconds is None else f"{peer.handshake_seconds:.0f} s ago",
                    f"{peer.received_bytes / 1e6:.1f} MB",
                    f"{peer.sent_bytes / 1e6:.1f} MB",
                )
                for peer in peers
            ],
        )
    else:
        emit([{**peer.model_dump(mode="json"), "up": peer.up} for peer in peers], output)
    if not peers or not all(peer.up for peer in peers if peer.in_use):
        raise typer.Exit(EXIT_FAILED)


def tunnel_rotate(
    site: SiteFile,
    output: Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")] = Format.TABLE,
) -> None:
    """Change the keys of the tunnel without a break: the old ones serve until the new ones have shaken hands."""
    from portolan.inventory.tunnel import rotate

    people.print(f"tunnel of {site}: making new keys beside the old ones", markup=False)
    result = rotate(site, print_role)
    if output is Format.TABLE:
        print_result(result)
    else:
        emit(result.model_dump(mode="json"), output)


def which_images(of_platform: bool) -> tuple[str, ...]:
    """Return the playbook's variable that leaves out the platform's images; none where they are wanted."""
    return () if of_platform else ("images_of_platform=false",)


def as_options(variables: tuple[str, ...]) -> tuple[str, ...]:
    """Return variables (`name=value`) as ansible-playbook's options.

    >>> as_options(("a=1",))
    ('--extra-vars', 'a=1')
    """
    return tuple(word for one in variables for word in ("--extra-vars", one))


def print_role(role: RoleSummary) -> None:
    hosts = f"{role.hosts} host{'s' if role.hosts != 1 else ''}"
    people.print(f"  {role.role or 'play':<14} {hosts:>8} {role.seconds:7.1f} s  {role.changed} changed", markup=False)


def print_result(result: ConvergeResult) -> None:
    table(
        f"{result.site}: {result.seconds:.0f} s{', nothing was changed (check mode)' if result.check else ''}",
        ("host", "ok", "changed", "skipped"),
        [(name, *(str(counts[key]) for key in ("ok", "changed", "skipped"))) for name, counts in result.hosts.items()],
    )
    people.print("slowest tasks:")
    for one in result.slowest:
        people.print(f"  {one.seconds:7.1f} s  {one.role} : {one.task}", markup=False)
    people.print(f"log: {result.log}", markup=False, soft_wrap=True)
