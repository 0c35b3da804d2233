"""What stands: every sandbox of this machine, its hosts, and what they use."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from portolan import paths
from portolan.sandbox import boot, cgroups, leftovers, places
from portolan.sandbox.places import SitePlaces

SAMPLE_SECONDS = 0.3


def sandboxes() -> dict[str, SitePlaces]:
    """Return the sandboxes that have hosts or left some, by site."""
    below = (paths.state() / "sites").glob("*/hosts.json")
    sites = {*(file.parent.name for file in below), *places.registered(), *(site for site, _ in cgroups.find())}
    return {site: _where(site) for site in sorted(sites)}


def rows(site: str | None = None) -> list[dict[str, Any]]:
    """Return every host of every sandbox, or of one: state, address, memory in bytes, processor in cores.

    `state` is running or degraded (systemd's words), starting, unreachable, stopped, or leftover: processes without
    the state that they belong to. `cpu_cores` is the use over the last moment, `cpu_seconds` that since the start.
    """
    groups = cgroups.find()
    before = {key: cgroups.cpu_seconds(group) for key, group in groups.items()}
    begun = time.monotonic()
    found = [
        (where, host)
        for name, where in sandboxes().items()
        if site in (None, name)
        for host in _hosts(where, [of[1] for of in groups if of[0] == name])
    ]
    with ThreadPoolExecutor(max_workers=8) as pool:
        states = list(
            pool.map(lambda one: _state(one[0], one[1], groups.get((one[0].site, one[1]["name"]), [])), found)
        )
    time.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - begun)))
    listed = []
    for (where, host), state in zip(found, states, strict=True):
        group = groups.get((where.site, host["name"]), [])
        now, then = cgroups.cpu_seconds(group), before.get((where.site, host["name"]))
        seconds = time.monotonic() - begun
        listed.append(
            {
                "site": where.site,
                "host": host["name"],
                "role": host.get("role"),
                "pool": host.get("pool"),
                "state": state,
                "address": host.get("address"),
                "memory_bytes": cgroups.memory_bytes(group),
                "cpu_cores": None if now is None or then is None else round((now - then) / seconds, 3),
                "cpu_seconds": None if now is None else round(now, 1),
                "simulated_accelerators": host.get("simulated_accelerators", {}),
                "state_directory": str(where.state) if where.state.is_dir() else None,
            }
        )
    return listed


def left_over(site: str | None = None) -> list[dict[str, Any]]:
    """Return what lies on the machine of sandboxes that have no hosts.json: killed, forgotten, or their state gone."""
    return [
        {"site": one.site, "leftovers": one.lines()}
        for one in leftovers.find().values()
        if site in (None, one.site) and not one.nothing and not (one.site and _where(one.site).hosts_document.is_file())
    ]


def _where(site: str) -> SitePlaces:
    return SitePlaces(site, places.registered().get(site))


def _hosts(where: SitePlaces, with_groups: list[str]) -> list[dict[str, Any]]:
    """Return a sandbox's hosts: those of hosts.json, then those that only have processes or a directory."""
    document = boot.read_hosts_document(where) if where.hosts_document.is_file() else {"hosts": []}
    hosts: list[dict[str, Any]] = list(document["hosts"])
    known = {host["name"] for host in hosts}
    directories = [file.parent.name for file in where.hosts.glob("*/host.json")]
    return hosts + [{"name": name} for name in sorted({*with_groups, *directories} - known)]


def _state(where: SitePlaces, host: dict[str, Any], group: list[Path]) -> str:
    if not cgroups.processes(group):
        return "stopped"
    if "private_key" not in host:
        return "starting" if where.host(host["name"]).is_dir() else "leftover"
    if not boot.banner(host["address"], host["ssh_port"], 2):
        return "unreachable"
    return boot.system_state(where, host, wait=False) or "unreachable"
