"""Take a site down: its hosts, where this machine made them, and the state that described them."""

from __future__ import annotations

import shutil
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.output import people
from portolan.sites import load_site
from portolan.sites.clusters import cluster_sites
from portolan.sites.schema import Site

KEPT = ("backups", "evidence", "logs")  # what was saved, proved and printed outlives the hosts


def down(site_path: Path) -> str:
    """Remove the site's hosts and state, whatever is left of them; return one line that says so.

    Raises PortolanError where the hosts are not of this machine's making.
    """
    site = load_site(site_path)
    if site.hosts.provider != "sandbox":
        raise PortolanError(
            str(site_path),
            "its hosts were not made on this machine, so they are not removed from here",
            f"run `portolan platform destroy {site_path}`, then the playbook ansible/reset.yml",
        )
    refuse_member(site, site_path)
    from portolan.platform.environment import PROJECT
    from portolan.platform.locks import clear_dead_locks
    from portolan.sandbox import lifecycle

    clusters = [one.name for one in cluster_sites(site)]
    for name in clusters:
        # An engine whose `portolan up` was killed would go on talking to hosts that are no more.
        clear_dead_locks(f"file://{paths.site_state(name)}/pulumi/backend", PROJECT, name)
    lifecycle.down(site.name, lambda line: people.print(f"  {line}", markup=False, soft_wrap=True))
    kept = [path for name in dict.fromkeys([*clusters, site.name]) for path in _emptied(paths.site_state(name))]
    return f"site {site.name} is down" + (f"; kept: {', '.join(kept)}" if kept else "")


def refuse_member(site: Site, path: Path) -> None:
    """Refuse one location's cluster: its hosts were made for the whole site. Raises PortolanError."""
    if site.member_of is not None:
        raise PortolanError(
            str(path),
            f"it is one cluster of site {site.member_of.site}, whose hosts stand and fall together",
            f"give the file of site {site.member_of.site}",
        )


def _emptied(state: Path) -> list[str]:
    """Remove a site's state but for what outlives the hosts, and return what was kept."""
    if not state.exists():
        return []
    for entry in state.iterdir():
        if entry.name in KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    names = [name for name in KEPT if (state / name).exists()]
    if not names:
        state.rmdir()
    return [str(state / name) for name in names]
