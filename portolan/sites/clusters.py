"""From a site of several locations to the sites of its clusters: a pure function.

Where the line between locations is short, the site is one cluster and stays as it is. Where it is long, each location
is an ordinary site of one place: its own hosts, its own range, and a membership that says what it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from portolan.sites.locations import Location, Locations
from portolan.sites.membership import Membership, Neighbour
from portolan.sites.schema import Network, Site


def cluster_name(site: str, location: str) -> str:
    """Return the name of a location's cluster: of its state, its Pulumi stack and its kubeconfig.

    >>> cluster_name("customs", "capital")
    'customs-capital'
    """
    return f"{site}-{location}"


def has_several_clusters(site: Site) -> bool:
    """Tell whether each location of the site has a cluster of its own."""
    return site.locations is not None and site.locations.clusters == "one-a-location"


def cluster_sites(site: Site, addresses: Mapping[str, str] | None = None) -> tuple[Site, ...]:
    """Return one site a cluster, in the order of the places; the site itself where it is one cluster.

    `addresses` are those of hosts that were made, by name: a sandbox's site file has none.
    """
    if site.locations is None or not has_several_clusters(site):
        return (site,)
    known = {host.name: host.address for host in site.hosts.nodes if host.address} | dict(addresses or {})
    return tuple(_cluster_site(site, site.locations, location, known) for location in site.locations.places)


def _cluster_site(site: Site, locations: Locations, location: Location, known: Mapping[str, str]) -> Site:
    hosts = tuple(
        host.model_copy(update={"location": None}) for host in site.hosts.nodes if host.location == location.name
    )
    membership = Membership(
        site=site.name,
        location=location.name,
        kind=location.kind,
        gateway=str(location.gateway),
        tunnel=locations.tunnel,
        bursts=locations.bursts,
        neighbours=tuple(
            Neighbour(
                name=other.name,
                kind=other.kind,
                hosts=other.hosts,
                gateway=str(other.gateway),
                address=IPv4Address(known[str(other.gateway)]) if str(other.gateway) in known else None,
            )
            for other in locations.places
            if other.name != location.name
        ),
    )
    accelerated = any(host.accelerators for host in hosts)
    # Built anew, not copied: what cannot be a site of its own is refused here.
    return Site.model_validate(
        {
            **{name: getattr(site, name) for name in Site.model_fields},
            "name": cluster_name(site.name, location.name),
            "description": f"{location.name} of {site.name}",
            "use_cases": site.use_cases if location.kind == "on-site" else (),
            "hosts": site.hosts.model_copy(update={"nodes": hosts}),
            "network": _network(site.network, location, {host.name for host in hosts}),
            "locations": None,
            "member_of": membership,
            "accelerators": site.accelerators if accelerated else None,
        }
    )


def _network(network: Network, location: Location, hosts: set[str]) -> Network:
    """Return a location's network: its own range; a virtual address, and what it offers, only where it lies."""
    virtual = network.virtual_address
    here = virtual is not None and IPv4Address(virtual) in location.hosts
    managed = network.rdma is not None and network.rdma.subnet_manager in (None, *hosts)
    return network.model_copy(
        update={
            "hosts": location.hosts,
            "virtual_address": virtual if here else None,
            "published": network.published if here else (),
            "rdma": network.rdma if managed else None,
        }
    )
