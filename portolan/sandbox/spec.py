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


class SandboxHost(Model):
    """One host of a sandbox."""

    name: str
    role: HostRole
    pool: Pool
    address: IPv4Address
    machine: str  # nspawn's name for it
    simulated_accelerators: dict[str, int]


class Sandbox(Model):
    """A site's hosts on this machine, their bridge and their range."""

    site: str
    bridge: str
    network: IPv4Network
    gateway: IPv4Address
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
    network = site.network.hosts
    if not SMALLEST_PREFIX_BITS <= network.prefixlen <= LARGEST_PREFIX_BITS:
        raise PortolanError(
            f"{where}, network.hosts",
            f"{network} is not between a /{SMALLEST_PREFIX_BITS} and a /{LARGEST_PREFIX_BITS}",
            "choose a range such as 10.89.0.0/24",
        )
    gateway = network.network_address + 1
    addresses = _addresses(site, gateway, kept)
    return Sandbox(
        site=site.name,
        bridge=names.bridge(site.name),
        network=network,
        gateway=gateway,
        ssh_user=site.hosts.ssh.user,
        ssh_port=site.hosts.ssh.port,
        private_key=site.hosts.ssh.private_key,
        hosts=tuple(
            SandboxHost(
                name=host.name,
                role=host.role,
                pool=host.pool,
                address=addresses[host.name],
                machine=names.machine(site.name, network, addresses[host.name]),
                simulated_accelerators=dict(host.simulated_accelerators),
            )
            for host in site.hosts.nodes
        ),
    )


def _addresses(site: Site, gateway: IPv4Address, kept: Mapping[str, IPv4Address]) -> dict[str, IPv4Address]:
    """Give each host the address that it has already, else the lowest that is free."""
    network = site.network.hosts
    for name, address in kept.items():
        if address not in network:
            raise PortolanError(
                f"site {site.name}, host {name}",
                f"it stands at {address}, and network.hosts now says {network}",
                "put the old range back, or take the sandbox down first (`portolan sandbox down`)",
            )
    first = 10 if network.num_addresses >= 64 else 2
    taken = {*kept.values(), gateway, site.virtual_address}
    free = (
        address
        for address in (network.network_address + offset for offset in range(first, network.num_addresses - 1))
        if address not in taken
    )
    given: dict[str, IPv4Address] = {}
    for host in site.hosts.nodes:
        chosen = kept.get(host.name) or next(free, None)
        if chosen is None:
            raise PortolanError(
                f"site {site.name}, network.hosts",
                f"{network} has no room for {len(site.hosts.nodes)} hosts",
                "choose a larger range",
            )
        given[host.name] = chosen
    return given


def hosts_document(sandbox: Sandbox, private_key: str, memory_bytes: int, cores: int) -> dict[str, Any]:
    """Return the content of the state's hosts.json, which the inventory is made from."""
    roles = tuple(host.role for host in sandbox.hosts)
    return {
        "site": sandbox.site,
        "bridge": sandbox.bridge,
        "network": str(sandbox.network),
        "gateway": str(sandbox.gateway),
        "hosts": [
            {
                "name": host.name,
                "role": host.role.value,
                "pool": host.pool.value,
                "address": str(host.address),
                "ssh_user": sandbox.ssh_user,
                "ssh_port": sandbox.ssh_port,
                "private_key": private_key,
                "simulated_accelerators": host.simulated_accelerators,
                "facts": host_facts(host.role, roles, memory_bytes, cores),
            }
            for host in sandbox.hosts
        ],
    }
