"""From the site file to the sandbox: which hosts, at which addresses, on which bridge. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sandbox import names
from portolan.sandbox.facts import host_facts
from portolan.sites.schema import HostRole, Pool, Site

LARGEST_PREFIX_BITS = 28  # thirteen hosts; a smaller range leaves no room to add one
SMALLEST_PREFIX_BITS = 16  # a host's offset in its range has four hexadecimal digits in its link's name


class Segment(Model):
    """A bridge with its range: the site's only one, or that of one location."""

    location: str  # empty where the site has no locations
    bridge: str
    network: IPv4Network
    gateway: IPv4Address  # the machine's own address on the bridge
    line: IPv4Address  # where the line to the other locations begins
    endpoint: IPv4Address  # the gateway's outer address: what others see of this location
    tunnel_gateway: str | None = None  # the host that ends the tunnel


class SandboxHost(Model):
    """One host of a sandbox."""

    name: str
    role: HostRole
    pool: Pool
    address: IPv4Address
    machine: str  # nspawn's name for it
    segment: Segment
    line_peers: tuple[IPv4Address, ...] = ()  # outer addresses of other gateways, reached over the line
    simulated_accelerators: dict[str, int]


class Sandbox(Model):
    """A site's hosts on this machine, and their bridges and ranges, one a location."""

    site: str
    segments: tuple[Segment, ...]
    ssh_user: str
    ssh_port: int
    private_key: str | None  # None: the sandbox makes one
    hosts: tuple[SandboxHost, ...]


def plan_sandbox(site: Site, kept: Mapping[str, IPv4Address]) -> Sandbox:
    """Return the sandbox of a site; `kept` are the addresses of hosts that exist already and keep theirs.

    Raises PortolanError where the site's hosts are not made here, or its range or an address does not serve.
    """
    where = f"site {site.name}"
    if site.hosts.provider != "sandbox":
        raise PortolanError(
            where, f"its hosts are {site.hosts.provider}, not made on this machine", "set hosts.provider: sandbox"
        )
    segments = _segments(site)
    for segment in segments:
        if not SMALLEST_PREFIX_BITS <= segment.network.prefixlen <= LARGEST_PREFIX_BITS:
            key = f"range of location {segment.location}" if segment.location else "network.hosts"
            raise PortolanError(
                f"{where}, {key}",
                f"{segment.network} is not between a /{SMALLEST_PREFIX_BITS} and a /{LARGEST_PREFIX_BITS}",
                "choose a range such as 10.89.0.0/24",
            )
    addresses: dict[str, IPv4Address] = {}
    for segment in segments:
        addresses |= _addresses(site, segment, kept)
    number = {segment.location: place for place, segment in enumerate(segments)}
    ends = {str(one.tunnel_gateway): one.endpoint for one in segments if one.tunnel_gateway}
    return Sandbox(
        site=site.name,
        segments=segments,
        ssh_user=site.hosts.ssh.user,
        ssh_port=site.hosts.ssh.port,
        private_key=site.hosts.ssh.private_key,
        hosts=tuple(
            SandboxHost(
                name=host.name,
                role=host.role,
                pool=host.pool,
                address=addresses[host.name],
                machine=names.machine(
                    site.name,
                    segments[number[host.location or ""]].network,
                    addresses[host.name],
                    number[host.location or ""],
                ),
                segment=segments[number[host.location or ""]],
                line_peers=tuple(ends[name] for name in ends if name != host.name) if host.name in ends else (),
                simulated_accelerators=dict(host.simulated_accelerators),
            )
            for host in site.hosts.nodes
        ),
    )


def _segments(site: Site) -> tuple[Segment, ...]:
    """Return the bridges: one for the site, or one a location."""
    ranges: list[tuple[str, IPv4Network, str | None]] = [("", site.network.hosts, None)]
    if site.locations is not None:
        ranges = [(place.name, place.hosts, place.gateway) for place in site.locations.places]
    return tuple(
        Segment(
            location=location,
            bridge=names.bridge(site.name, number),
            network=network,
            gateway=network.network_address + 1,
            line=network.network_address + 2,
            endpoint=network.network_address + 3,
            tunnel_gateway=gateway,
        )
        for number, (location, network, gateway) in enumerate(ranges)
    )


def _addresses(site: Site, segment: Segment, kept: Mapping[str, IPv4Address]) -> dict[str, IPv4Address]:
    """Give each host of a segment the address that it has already, else the lowest that is free."""
    network = segment.network
    hosts = [host for host in site.hosts.nodes if (host.location or "") == segment.location]
    here = {host.name for host in hosts}
    elsewhere = {host.name for host in site.hosts.nodes} - here
    for name, address in kept.items():
        # A host that left the site file keeps its address where it stood.
        if address not in network and (name in here or (name not in elsewhere and not segment.location)):
            what = f"location {segment.location}" if segment.location else "network.hosts"
            raise PortolanError(
                f"site {site.name}, host {name}",
                f"it stands at {address}, and {what} now says {network}",
                "put the old range back, or take the sandbox down first (`portolan sandbox down`)",
            )
    first = 10 if network.num_addresses >= 64 else 2
    taken = {*kept.values(), segment.gateway, site.virtual_address}
    taken |= {segment.line, segment.endpoint} if segment.location else set()
    free = (
        address
        for address in (network.network_address + offset for offset in range(first, network.num_addresses - 1))
        if address not in taken
    )
    given: dict[str, IPv4Address] = {}
    for host in hosts:
        chosen = kept.get(host.name) or next(free, None)
        if chosen is None:
            raise PortolanError(
                f"site {site.name}, {f'location {segment.location}' if segment.location else 'network.hosts'}",
                f"{network} has no room for {len(hosts)} hosts",
                "choose a larger range",
            )
        given[host.name] = chosen
    return given


def hosts_document(sandbox: Sandbox, private_key: str, memory_bytes: int, cores: int) -> dict[str, Any]:
    """Return the content of the state's hosts.json, which the inventory is made from."""
    roles = tuple(host.role for host in sandbox.hosts)
    return {
        "site": sandbox.site,
        "bridge": sandbox.segments[0].bridge,
        "network": str(sandbox.segments[0].network),
        "gateway": str(sandbox.segments[0].gateway),
        "hosts": [
            {
                "name": host.name,
                "role": host.role.value,
                "pool": host.pool.value,
                "address": str(host.address),
                **({"location": host.segment.location} if host.segment.location else {}),
                **({"endpoint": str(host.segment.endpoint)} if host.line_peers else {}),
                "ssh_user": sandbox.ssh_user,
                "ssh_port": sandbox.ssh_port,
                "private_key": private_key,
                "simulated_accelerators": host.simulated_accelerators,
                "facts": host_facts(
                    host.role,
                    roles,
                    memory_bytes,
                    cores,
                    tuple(one.role for one in sandbox.hosts if one.segment == host.segment),
                ),
            }
            for host in sandbox.hosts
        ],
    }
