"""Take a site down: its hosts, where this machine made them, and the state that described them."""

from __future__ import annotations

import shutil
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.output import people
from portolan.sites import load_site

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
    from portolan.platform.environment import PROJECT
    from portolan.platform.locks import clear_dead_locks
    from portolan.sandbox import lifecycle

    # An engine whose `portolan up` was killed would go on talking to hosts that are no more.
    clear_dead_locks(f"file://{paths.site_state(site.name)}/pulumi/backend", PROJECT, site.name)
    lifecycle.down(site.name, lambda line: people.print(f"  {line}", markup=False, soft_wrap=True))
    state = paths.site_state(site.name)
    if state.exists():
        for entry in state.iterdir():
            if entry.name in KEPT:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    kept = ", ".join(name for name in KEPT if (state / name).exists())
    return f"site {site.name} is down" + (f"; kept: {kept} in {state}" if kept else "")
