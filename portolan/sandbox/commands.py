"""`portolan sandbox`: hosts on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portolan.errors import PortolanError
from portolan.output import Format, emit, people, table

if TYPE_CHECKING:
    from portolan.sites.schema import Site

SITE = Annotated[str, typer.Argument(metavar="SITE", help="Site file, for example sites/sandbox.yaml.")]
SITE_OR_NAME = Annotated[str, typer.Argument(metavar="SITE", help="Site file, or a site's name.")]


def register(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Real Debian hosts on this machine, on a bridge of their own.")
    group.command("up")(up)
    group.command("down")(down)
    group.command("list")(show)
    group.command("shell", context_settings={"allow_interspersed_args": False})(shell)
    group.command("logs")(logs)
    group.command("line")(line)
    app.add_typer(group, name="sandbox")


def up(
    site: SITE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    output: Annotated[Format | None, typer.Option("--output", "-o", help="Print hosts.json as json or yaml.")] = None,
) -> None:
    """Make every host of SITE stand; those that stand are left alone."""
    from portolan.sandbox import boot, lifecycle
    from portolan.sandbox.places import SitePlaces

    loaded = _load(site)
    if dry_run:
        lines = lifecycle.describe_up(loaded)
        for line in lines or ["nothing to do"]:
            _say(f"would {line}" if lines else line)
        return
    lifecycle.up(loaded)
    if output in (Format.JSON, Format.YAML):
        emit(boot.read_hosts_document(SitePlaces(loaded.name)), output)


def down(
    site: Annotated[str | None, typer.Argument(metavar="[SITE]", help="Site file, or a site's name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every sandbox on this machine, with or without state.")] = False,
    host: Annotated[list[str] | None, typer.Option("--host", help="Only this host; may be repeated.")] = None,
    keep_disks: Annotated[bool, typer.Option(help="Power the hosts off and keep their disks for the next up.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed; change nothing.")] = False,
) -> None:
    """Take the hosts of SITE off this machine: processes, control groups, bridge, packet filter, mounts, files."""
    from portolan.sandbox import leftovers, lifecycle
    from portolan.sandbox.places import SitePlaces

    if every == (site is not None) or (every and (host or keep_disks)):
        raise PortolanError("portolan sandbox down", "give SITE, or --all alone", "see `portolan sandbox down --help`")
    if dry_run:
        found = list(leftovers.find().values()) if site is None else [leftovers.find_one(_name(site))]
        lines = [line for one in found for line in one.lines()]
        if site is not None and SitePlaces(_name(site)).hosts.is_dir() and not keep_disks:
            lines.append(f"files {SitePlaces(_name(site)).hosts}")
        for line in lines or ["nothing to do"]:
            _say(f"would remove {line}" if lines else line)
    elif site is None:
        lifecycle.down_all()
    else:
        lifecycle.down(_name(site), hosts=tuple(host or ()), keep_disks=keep_disks)


def show(
    site: Annotated[str | None, typer.Argument(metavar="[SITE]", help="Site file or name; all without it.")] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")] = Format.TABLE,
) -> None:
    """List the hosts: state, address, memory and processor use."""
    from portolan.sandbox import listing

    name = None if site is None else _name(site)
    hosts, left = listing.rows(name), listing.left_over(name)
    if output is not Format.TABLE:
        emit({"hosts": hosts, "leftovers": left}, output)
        return
    columns = ("site", "host", "role", "state", "address", "memory", "cores", "accelerators")
    table("Sandbox hosts", columns, [_row(host) for host in hosts])
    for one in left:
        for line in one["leftovers"]:
            _say(f"left over from sandbox {one['site'] or 'of unknown name'}: {line}")


def shell(
    site: SITE_OR_NAME,
    host: Annotated[str, typer.Argument(help="Name of the host.")],
    command: Annotated[list[str] | None, typer.Argument(help="Command to run there, after --.")] = None,
) -> None:
    """Log in to a host over SSH, or run one command there; the exit status is the command's."""
    import os
    import shlex
    import sys

    from portolan.sandbox import secure_shell
    from portolan.sandbox.places import SitePlaces

    name = _name(site)
    words = command[1:] if command and command[0] == "--" else command or []
    remote = [shlex.join(words)] if len(words) > 1 else words  # a single word may be a whole shell line
    places = SitePlaces(name)
    arguments = secure_shell.command(places, _host(name, host), remote, terminal=sys.stdin.isatty() and not words)
    os.execvp(arguments[0], arguments)


def logs(
    site: SITE_OR_NAME,
    host: Annotated[str, typer.Argument(help="Name of the host.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come.")] = False,
    unit: Annotated[str | None, typer.Option(help="Only this systemd unit, for example kubelet.")] = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many lines back.")] = 200,
) -> None:
    """Print a host's journal; its console where the host does not answer."""
    import os
    import shlex

    from portolan.sandbox import boot, secure_shell
    from portolan.sandbox.places import SitePlaces

    name = _name(site)
    places = SitePlaces(name)
    entry = _host(name, host)
    if not boot.banner(entry["address"], entry["ssh_port"], 2):
        if not places.console_log(host).is_file():
            raise PortolanError(f"host {host}", "does not answer and has no console log", "run `portolan sandbox up`")
        _say(f"host {host} does not answer; this is its console ({places.console_log(host)})")
        arguments = ["tail", f"--lines={lines}", *(("--follow",) if follow else ()), str(places.console_log(host))]
    else:
        journal = ["sudo", "-n", "journalctl", "--no-pager", f"--lines={lines}"]
        journal += [*(("--follow",) if follow else ()), *(("--unit", unit) if unit else ())]
        arguments = secure_shell.command(places, entry, [shlex.join(journal)])
    os.execvp(arguments[0], arguments)


def line(
    site: SITE,
    delay: Annotated[float | None, typer.Option("--delay-milliseconds", min=0, help="One way.")] = None,
    loss: Annotated[float | None, typer.Option(min=0, max=0.99, help="Share of packets: 0.01 is one in 100.")] = None,
    bandwidth: Annotated[
        float | None, typer.Option("--bandwidth-megabits", min=0, help="Mbit/s each way; 0: no limit.")
    ] = None,
    cut: Annotated[bool | None, typer.Option("--cut/--restore", help="Cut the line, or make it whole.")] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")] = Format.TABLE,
) -> None:
    """Shape, cut or restore the line between the locations of SITE; without an option, say what it is like."""
    from portolan.sandbox import lifecycle
    from portolan.sandbox import line as lines

    sandbox = lifecycle.planned(_load(site))
    given = {
        "delay_milliseconds": delay,
        "loss": loss,
        "bandwidth_megabits_per_second": bandwidth,
        "cut": cut,
    }
    wanted = {key: value for key, value in given.items() if value is not None}
    shape = lines.shape_of(sandbox.site).model_copy(update=wanted)
    if wanted:
        lines.shape(sandbox, shape)
    if output is not Format.TABLE:
        emit(shape.model_dump(), output)
        return
    width = f"{shape.bandwidth_megabits_per_second:g} Mbit/s" if shape.bandwidth_megabits_per_second else "no limit"
    state = "cut" if shape.cut else "whole"
    _say(f"line of {sandbox.site}: {state}, {shape.delay_milliseconds:g} ms each way, loss {shape.loss:.2%}, {width}")


def _say(line: str) -> None:
    people.print(line, markup=False, soft_wrap=True)


def _load(site: str) -> Site:
    from portolan.sites.loader import load_site

    return load_site(Path(site))


def _name(site: str) -> str:
    """Return the site's name from its file, or the word itself where it is a name: what is down needs no file."""
    import re

    if re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", site) and not Path(site).is_file():
        return site
    return _load(site).name


def _host(site: str, host: str) -> dict[str, Any]:
    from portolan.sandbox import boot
    from portolan.sandbox.places import SitePlaces

    document = boot.read_hosts_document(SitePlaces(site))
    found = boot.document_hosts(document, [host])
    if not found:
        known = ", ".join(one["name"] for one in document["hosts"])
        raise PortolanError(f"sandbox {site}", f"has no host {host}", f"its hosts are {known}")
    return found[0]


def _row(host: dict[str, Any]) -> tuple[str, ...]:
    memory, cores = host["memory_bytes"], host["cpu_cores"]
    return (
        *(host[key] or "" for key in ("site", "host", "role", "state", "address")),
        "" if memory is None else f"{memory / 2**20:.0f} MiB",
        "" if cores is None else f"{cores:.2f}",
        ", ".join(f"{count} {name} (simulated)" for name, count in host["simulated_accelerators"].items()),
    )
