"""Which hosts get which service beside Kubernetes, and the line of the report that asks for it."""

from __future__ import annotations

from collections.abc import Iterable

from portolan.model import Model
from portolan.sites.schema import HostRole, Site

FEATURES = ("firewall", "audited", "file_integrity", "banning", "benchmarked", "updating", "accelerated", "linked",
            "directory_server", "directory_member", "data_disks", "nfs_server", "nfs_client",
            "intrusion_detection")  # fmt: skip


class HostFeature(Model):
    """One feature of hosts: an inventory group of that name, and a role that makes it."""

    name: str
    hosts: tuple[str, ...]
    requirements: tuple[str, ...]


def plan_features(site: Site) -> tuple[HostFeature, ...]:
    """Return the features of the site's hosts; those that no host has are left out."""
    everywhere = tuple(node.name for node in site.hosts.nodes)
    security = site.security
    joined = site.identity.directory if site.identity else None
    accelerated = tuple(node.name for node in site.hosts.nodes if node.accelerators)
    linked = tuple(node.name for node in site.hosts.nodes if node.links or site.network.rdma)
    storage = site.storage

    def those(names: Iterable[str]) -> tuple[str, ...]:
        wanted = set(names)
        return tuple(name for name in everywhere if name in wanted)

    with_disks = those(disk.host for disk in storage.disks)
    sharing = those(share.host for share in storage.shares)
    mounting = those(name for share in storage.shares for name in share.mounted_on)
    edge = those(edges(site))
    wanted = (
        ("firewall", security.firewall, everywhere, ("SEC-9.5.2-01", "SEC-9.5.8-01")),
        ("audited", security.audit, everywhere, ("SEC-9.5.8-04", "SEC-9.10.4-01")),
        ("file_integrity", security.file_integrity, everywhere, ("SEC-9.5.8-07", "SEC-9.5.8-04")),
        ("banning", security.ban_repeated_failures, everywhere, ("SEC-9.5.8-07",)),
        ("benchmarked", security.benchmarks, everywhere, ("SEC-9.5.8-04",)),
        ("updating", security.automatic_updates != "none", everywhere, ("SEC-9.5.8-04",)),
        ("accelerated", True, accelerated, ("GPU-9.5.2-01",)),
        ("linked", True, linked, ("NET-9.5.2-01", "NET-9.7.1-01")),
        ("directory_server", True, (joined.server,) if joined and joined.server else (), ("SEC-9.5.2-03",)),
        ("directory_member", joined is not None, everywhere, ("SEC-9.5.2-03",)),
        ("data_disks", True, with_disks, ("STO-9.6.5-04",)),
        ("intrusion_detection", security.intrusion_detection, edge, ("SEC-9.5.8-07",)),
        ("nfs_server", True, sharing, ("STO-9.6.5-02", "STO-9.6.5-05", "STO-10.7-02")),
        ("nfs_client", True, mounting, ("STO-9.6.5-02", "STO-9.6.5-05")),
    )
    return tuple(
        HostFeature(name=name, hosts=hosts, requirements=rows) for name, asked, hosts, rows in wanted if asked and hosts
    )


def edges(site: Site) -> set[str]:
    """Return the hosts that strangers reach first: gateways of locations, and those that carry the API's address."""
    found = {node.name for node in site.hosts.nodes if node.role is HostRole.CONTROL_PLANE}
    if site.locations is not None:
        found |= {location.gateway for location in site.locations.places if location.gateway}
    if site.member_of is not None:
        found.add(site.member_of.gateway)
    return found
