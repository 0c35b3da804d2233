"""Can this machine carry the site? Asked before anything is changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sites.schema import Site

# Measured with `make up` of sites/sandbox.yaml: what the caches and one sandbox's state occupy afterwards.
CACHE_BYTES_COLD = 25 * 10**9
CACHE_BYTES_WARM = 1 * 10**9
STATE_BYTES_PER_SANDBOX_HOST = 3 * 10**9
MEMORY_BYTES_PER_SANDBOX_HOST = 2 * 2**30


class MachineFacts(Model):
    """What the decision needs to know of this machine. Sizes in bytes."""

    user_is_root: bool
    memory_available_bytes: int
    state_free_bytes: int
    cache_free_bytes: int
    same_disk: bool
    bundle_is_built: bool
    hosts_are_running: bool


def refusals(site: Site, facts: MachineFacts) -> tuple[tuple[str, str], ...]:
    """Return each reason why this machine cannot carry `site`, with its remedy.

    >>> facts = MachineFacts(user_is_root=True, memory_available_bytes=2**36, state_free_bytes=10**12,
    ...     cache_free_bytes=10**12, same_disk=True, bundle_is_built=True, hosts_are_running=False)
    >>> from portolan.sites import load_site
    >>> refusals(load_site(paths.REPOSITORY / "sites/sandbox.yaml"), facts)
    ()
    """
    found: list[tuple[str, str]] = []
    sandbox_hosts = len(site.hosts.nodes) if site.hosts.provider == "sandbox" and not facts.hosts_are_running else 0
    if site.hosts.provider == "sandbox" and not facts.user_is_root:
        found.append(("hosts on this machine can only be made by root", "run the same command as root (sudo -E)"))
    memory = sandbox_hosts * MEMORY_BYTES_PER_SANDBOX_HOST
    if facts.memory_available_bytes < memory:
        found.append(
            (
                f"{facts.memory_available_bytes / 2**30:.1f} GiB of memory are available, {sandbox_hosts} hosts need "
                f"{memory / 2**30:.0f} GiB",
                "stop other programs, or give the site fewer hosts",
            )
        )
    state = sandbox_hosts * STATE_BYTES_PER_SANDBOX_HOST
    cache = CACHE_BYTES_WARM if facts.bundle_is_built else CACHE_BYTES_COLD
    if facts.same_disk:
        state, cache = state + cache, 0
    for what, free, needed, variable in (
        ("state", facts.state_free_bytes, state, "PORTOLAN_STATE"),
        ("caches", facts.cache_free_bytes, cache, "PORTOLAN_CACHE"),
    ):
        if free < needed:
            found.append(
                (
                    f"{free / 1e9:.1f} GB are free on the disk of the {what}, {needed / 1e9:.0f} GB are needed",
                    f"free some disk space, or point {variable} to a larger disk",
                )
            )
    return tuple(found)


def measure(hosts_are_running: bool) -> MachineFacts:
    """Read the facts of this machine."""
    state, cache = _existing(paths.state()), _existing(paths.cache())
    memory = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        if line.startswith("MemAvailable:")
    )
    return MachineFacts(
        user_is_root=os.geteuid() == 0,
        memory_available_bytes=memory,
        state_free_bytes=shutil.disk_usage(state).free,
        cache_free_bytes=shutil.disk_usage(cache).free,
        same_disk=state.stat().st_dev == cache.stat().st_dev,
        bundle_is_built=(paths.cache() / "bundle" / "index.json").is_file(),
        hosts_are_running=hosts_are_running,
    )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def require(site: Site, facts: MachineFacts) -> None:
    """Raise one PortolanError that lists every reason why this machine cannot carry the site."""
    found = refusals(site, facts)
    if found:
        raise PortolanError(
            "this machine", "; ".join(what for what, _ in found), "; ".join(remedy for _, remedy in found)
        )
