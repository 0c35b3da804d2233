"""A cluster between its first day and its last: backup, restore, upgrade, remove, certificates, encryption."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from portolan.inventory.commands import (
    PlatformImages,
    SiteFile,
    as_options,
    print_result,
    print_role,
    which_images,
)
from portolan.inventory.location import LOCATION
from portolan.output import Format, emit, people, table

if TYPE_CHECKING:
    from portolan.inventory.converge import ConvergeResult

Output = Annotated[Format, typer.Option("--output", "-o", help="How to print the result.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("upgrade")(upgrade)
    app.command("remove")(remove)
    app.command("certificates")(certificates)
    app.command("encryption")(encryption)
    app.command("benchmarks")(benchmarks)


def backup(
    site: SiteFile,
    directory: Annotated[Path | None, typer.Option(help="Where to keep it; default: the site's state.")] = None,
    keep: Annotated[int, typer.Option(min=1, help="How many backups to keep; older ones are removed.")] = 14,
    location: LOCATION = None,
    output: Output = Format.TABLE,
) -> None:
    """Write an encrypted snapshot of the cluster, its authorities and keys, off its hosts."""
    site = _cluster(site, location)
    from portolan.sites.loader import load_site

    kept = directory.absolute() if directory else backups(load_site(site).name)
    before = set(kept.glob("*.backup"))
    result = _run(site, "backup.yml", (f"backup_directory={kept}", f"backup_kept={keep}"))
    (made,) = set(kept.glob("*.backup")) - before
    if output is Format.TABLE:
        people.print(f"{made}: {made.stat().st_size / 1e6:.1f} MB in {result.seconds:.0f} s", soft_wrap=True)
        print(made)
    else:
        emit({"file": str(made), "size_bytes": made.stat().st_size, **result.model_dump(mode="json")}, output)


def restore(
    site: SiteFile,
    file: Annotated[Path | None, typer.Argument(help="The backup; default: the newest in the site's state.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Throw away the control plane that stands: go back to the backup.")
    ] = False,
    platform_images: PlatformImages = True,
    location: LOCATION = None,
    output: Output = Format.TABLE,
) -> None:
    """Make the cluster anew from a backup, on bare hosts or in place of a broken control plane."""
    site = _cluster(site, location)
    from portolan.errors import PortolanError
    from portolan.sites.loader import load_site

    if file is None:
        found = sorted(backups(load_site(site).name).glob("*.backup"))
        if not found:
            raise PortolanError(str(site), "the site's state has no backup", "name one: portolan restore SITE FILE")
        file = found[-1]
    if not file.is_file():
        raise PortolanError(str(file), "there is no such file", "name a backup that `portolan backup` wrote")
    people.print(f"restoring {file}", markup=False, soft_wrap=True)
    extra = (f"restore_file={file.absolute()}", f"restore_replace={replace}")
    _print(_run(site, "restore.yml", extra + which_images(platform_images)), output)


def upgrade(
    site: SiteFile,
    workers_at_once: Annotated[int, typer.Option(min=1, help="How many workers are drained side by side.")] = 1,
    control_plane_only: Annotated[
        bool, typer.Option("--control-plane-only", help="Stop before the workers; a second run goes on with them.")
    ] = False,
    platform_images: PlatformImages = True,
    location: LOCATION = None,
    output: Output = Format.TABLE,
) -> None:
    """Take the cluster to this release's Kubernetes, host by host, after a backup; one minor release at a time."""
    site = _cluster(site, location)
    extra = (f"upgrade_workers_at_once={workers_at_once}", f"upgrade_workers={not control_plane_only}")
    _print(_run(site, "upgrade.yml", extra + which_images(platform_images)), output)


def remove(
    site: SiteFile,
    hosts: Annotated[list[str], typer.Argument(help="Hosts to take out of the cluster.", metavar="HOST...")],
    location: LOCATION = None,
    output: Output = Format.TABLE,
) -> None:
    """Take hosts out of the cluster: those that answer are drained and brought back to bare, dead ones forgotten."""
    site = _cluster(site, location)
    from portolan.errors import PortolanError
    from portolan.sites.loader import load_site

    names = [node.name for node in load_site(site).hosts.nodes]
    unknown = sorted(set(hosts) - set(names))
    if unknown:
        raise PortolanError(str(site), f"the site has no host {unknown[0]!r}", f"choose one of: {', '.join(names)}")
    _print(_run(site, "remove.yml", (f"hosts_to_remove={','.join(hosts)}",)), output)
    people.print(f"now take {', '.join(hosts)} out of {site}: the next converge would take it in again", markup=False)


def certificates(site: SiteFile, location: LOCATION = None, output: Output = Format.TABLE) -> None:
    """Renew the certificates of the control plane, host by host, also such as have ended."""
    site = _cluster(site, location)
    _print(_run(site, "certificates.yml", ()), output)


def encryption(
    site: SiteFile,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Bring in a new key; one that is being brought in is finished first.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; say what would change.")] = False,
    location: LOCATION = None,
    output: Output = Format.TABLE,
) -> None:
    """Change the key that encrypts secrets in etcd; without --rotate, finish a change that was cut, if there is one."""
    site = _cluster(site, location)
    result = _run(site, "encryption.yml", (f"encryption_rotate={rotate}",), check=check)
    if output is Format.TABLE:
        for one in result.changed if check else ():
            people.print(f"would change {one.host}: {one.task}", markup=False, soft_wrap=True)
        if not result.changed:
            people.print("nothing to change: no new key was asked for, and none is half brought in", soft_wrap=True)
    _print(result, output)


def benchmarks(site: SiteFile, location: LOCATION = None, output: Output = Format.TABLE) -> None:
    """Have lynis and kube-bench look at the hosts; exits with 1 where a finding has no reason to stay."""
    from portolan import paths
    from portolan.errors import EXIT_FAILED, PortolanError
    from portolan.inventory.benchmarks import as_evidence, counts, keep, now, read_reports
    from portolan.sites.loader import load_site

    site = _cluster(site, location)
    loaded = load_site(site)
    if not loaded.security.benchmarks:
        raise PortolanError(str(site), "the site asks for no benchmarks", "add security.benchmarks: true and converge")
    hosts = tuple(node.name for node in loaded.hosts.nodes)
    folder = paths.site_state(loaded.name) / "evidence" / "benchmarks"
    _run(site, "benchmarks.yml", ())
    reports = read_reports(folder, hosts)
    path = keep(folder, as_evidence(reports, hosts, now()))
    findings = [one for report in reports for one in report.findings]
    if output is Format.TABLE:
        head = ("host", "by", "section", "passed", "to look at", "failed", "of them with a reason")
        table("How many items of each section", head, counts(reports))
        rows = [(one.host, one.tool, one.id, one.what, one.left_out or "none: mend it") for one in findings]
        table("What lynis and kube-bench found", ("host", "by", "item", "what", "reason to stay"), rows)
        people.print(f"evidence: {path}", markup=False, soft_wrap=True)
    else:
        emit([report.model_dump(mode="json") for report in reports], output)
    if any(not one.left_out for one in findings):
        raise typer.Exit(EXIT_FAILED)


def backups(site: str) -> Path:
    """Return where a site's backups are kept unless another place is named."""
    from portolan import paths

    return paths.site_state(site) / "backups"


def _cluster(site: Path, location: str | None) -> Path:
    """Return the site file of the one cluster that is meant."""
    from portolan.inventory.members import one_cluster

    return one_cluster(site, location)


def _run(site: Path, playbook: str, variables: tuple[str, ...], *, check: bool = False) -> ConvergeResult:
    from portolan.inventory.converge import Options, converge

    return converge(site, Options(playbook=playbook, extra=as_options(variables), check=check), print_role)


def _print(result: ConvergeResult, output: Format) -> None:
    if output is Format.TABLE:
        print_result(result)
    else:
        emit(result.model_dump(mode="json"), output)
