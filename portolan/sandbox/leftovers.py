"""What sandboxes leave on the machine, found by its names, and its removal: with or without their state."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sandbox import cgroups, line, mounts, names, network, places
from portolan.sandbox.places import SitePlaces


class Leftovers(Model):
    """Everything of one sandbox that is on the machine. The site's name is unknown where only a bridge tells of it."""

    identity: str
    site: str | None
    groups: dict[str, tuple[Path, ...]] = {}  # by host
    processes: int = 0
    links: tuple[str, ...] = ()
    chains: bool = False
    line: bool = False  # the network namespace between the locations
    mount_points: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the machine is clean of this sandbox."""
        return not (self.groups or self.links or self.chains or self.line or self.mount_points)

    def lines(self) -> list[str]:
        """Return what there is, in words."""
        found = []
        if self.groups:
            count = sum(len(group) for group in self.groups.values())
            found.append(f"{self.processes} processes in {count} control groups of {', '.join(sorted(self.groups))}")
        found += [f"interface {link}" for link in self.links]
        if self.chains:
            chains = (names.FORWARD_CHAIN_PREFIX + self.identity, names.INPUT_CHAIN_PREFIX + self.identity)
            found.append(f"iptables chains {chains[0]} and {chains[1]}")
        if self.line:
            found.append("the line between its locations")
        return found + [f"mount {point}" for point in self.mount_points]


def find() -> dict[str, Leftovers]:
    """Return what all sandboxes have on the machine, by identity."""
    groups = cgroups.find()
    links = network.links()
    rules = network.filter_rules()
    registered = places.registered()
    sites = {names.identity(site): site for site in {*registered, *(site for site, _ in groups), *mounts.sites()}}
    chains: set[str] = set()
    for rule in rules:
        identity = names.parse_chain(rule.split(" ")[1]) if rule.startswith("-N ") else None
        if identity:
            chains.add(identity)
    bridges: dict[str, set[str]] = {}
    for link in links:
        identity = names.parse_bridge(link["ifname"])
        if identity:
            bridges.setdefault(identity, set()).add(link["ifname"])
            alias = str(link.get("ifalias", "")).removeprefix(names.ALIAS_PREFIX)
            if names.identity(alias) == identity:
                sites.setdefault(identity, alias)
    found = {}
    lines = line.find()
    for identity in sorted({*sites, *bridges, *chains, *lines}):
        site = sites.get(identity)
        own = {host: tuple(paths) for (of, host), paths in groups.items() if of == site}
        state = registered.get(site, places.SitePlaces(site).state) if site else None
        found[identity] = Leftovers(
            identity=identity,
            site=site,
            groups=own,
            processes=len(cgroups.processes(path for paths in own.values() for path in paths)),
            links=tuple(
                sorted(
                    link["ifname"]
                    for link in links
                    if link["ifname"] in bridges.get(identity, ()) or _is_link_of(link["ifname"], identity)
                )
            ),
            chains=identity in chains,
            line=identity in lines,
            mount_points=tuple(mounts.mount_points(state, site)) if state else (),
        )
    return found


def find_one(site: str) -> Leftovers:
    """Return what one site's sandbox has on the machine."""
    identity = names.identity(site)
    found = find().get(identity) or Leftovers(identity=identity, site=site)
    below = tuple(mounts.mount_points(SitePlaces(site).state, site))
    return found.model_copy(update={"mount_points": found.mount_points or below})


def remove(found: Leftovers, state: Path | None) -> None:
    """Take everything of one sandbox off the machine; its files stay.

    Raises PortolanError naming what is left, where something resists.
    """
    remove_hosts(found, found.groups)
    if state is not None:
        mounts.unmount_below(state, found.site)
    if found.line:
        line.remove(found.identity)
    script = network.filter_removal_script(found.identity, network.filter_rules())
    if script:
        network.restore(script)
    for link in found.links:
        network.remove_link(link)
    left = find().get(found.identity)
    if left is not None and not left.nothing:
        raise PortolanError(
            f"sandbox {found.site or found.identity}",
            f"still there: {'; '.join(left.lines())}",
            "run `portolan sandbox down` again",
        )
    if found.site is not None:
        places.unregister(found.site)


def remove_hosts(found: Leftovers, hosts: Iterable[str]) -> None:
    """End all processes of some hosts and remove their control groups."""
    if found.site is not None:
        cgroups.remove({(found.site, host): list(found.groups[host]) for host in hosts if host in found.groups})


def _is_link_of(name: str, identity: str) -> bool:
    host = name.startswith(names.VETH_PREFIX + identity) and len(name) == len(names.VETH_PREFIX) + 12
    return host or name.startswith(names.LINE_PREFIX + identity)
