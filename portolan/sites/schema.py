"""The site file's schema.

Units stand in the names: `_per_day`, `_gigabytes`, `_seconds`. Unknown keys are refused.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portolan.model import Model
from portolan.sites.accelerators import Accelerators, check_accelerators
from portolan.sites.cloud import Cloud
from portolan.sites.finance import Finance
from portolan.sites.hosts import Host, HostRole, Hosts, Pool, SecureShell
from portolan.sites.identity import Identity, check_identity
from portolan.sites.links import Rdma, check_links
from portolan.sites.locations import Location, Locations, check_locations
from portolan.sites.membership import Membership
from portolan.sites.rules import DnsLabel, check_address, fault
from portolan.sites.security import Security
from portolan.sites.storage import Storage, check_storage
from portolan.sites.workload import Workload

__all__ = [
    "Cloud",
    "DnsLabel",
    "Finance",
    "Host",
    "HostRole",
    "Hosts",
    "Location",
    "Locations",
    "Names",
    "Network",
    "Pool",
    "SecureShell",
    "Security",
    "Site",
    "Tier",
    "Topology",
    "Workload",
    "fault",
]

LONGEST_NAME = 40  # of a site

# Each node takes a /24 of the pods' range.
POD_RANGE_OF_A_NODE = 24


class Tier(StrEnum):
    """The report's two sizes of installation (sections 9.6 and 9.5.2)."""

    STARTER = "starter"
    PRODUCTION = "production"


class Topology(StrEnum):
    """Where the platform runs (report, section 9.5.1)."""

    ON_PREM = "on-prem"
    CLOUD = "cloud"
    HYBRID = "hybrid"


class Published(Model):
    """A service of the cluster that the load balancer offers on the virtual address."""

    name: DnsLabel
    port: Annotated[int, Field(ge=1, le=65535)]
    node_port: Annotated[int, Field(ge=30000, le=32767)]  # of the service, on every worker


# The load balancer's own: the API, the API server itself, and what keepalived asks.
LOAD_BALANCER_PORTS = frozenset({6443, 8404, 8443})


class Network(Model):
    """Address ranges; they may not overlap."""

    hosts: IPv4Network = IPv4Network("10.89.0.0/24")
    pods: IPv4Network = IPv4Network("10.96.0.0/12")
    services: IPv4Network = IPv4Network("10.80.0.0/16")
    plugin: Literal["bridge", "cilium", "calico"] = "bridge"
    virtual_address: str | None = None  # under which everybody reaches the API of several control planes
    load_balancer: Literal["haproxy", "nginx"] = "haproxy"  # in front of the API and of what is published
    published: tuple[Published, ...] = ()
    rdma: Rdma | None = None

    @model_validator(mode="after")
    def _published_ports_are_free(self) -> Self:
        taken = dict.fromkeys(LOAD_BALANCER_PORTS, "the load balancer itself")
        for place, one in enumerate(self.published):
            if one.port in taken:
                raise fault(
                    ("network", "published", place, "port"),
                    f"port {one.port} is already that of {taken[one.port]}",
                    "give each published service a port of its own",
                )
            taken[one.port] = one.name
        return self

    @model_validator(mode="after")
    def _virtual_address_is_one(self) -> Self:
        if self.virtual_address is not None:
            check_address(("network", "virtual_address"), self.virtual_address)
        return self

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        ranges = {"hosts": self.hosts, "pods": self.pods, "services": self.services}
        for one, other in (("hosts", "pods"), ("hosts", "services"), ("pods", "services")):
            if ranges[one].overlaps(ranges[other]):
                raise fault(
                    ("network", other),
                    f"ranges overlap: {one} {ranges[one]} and {other} {ranges[other]}",
                    f"choose ranges that share no address; without the key, {other} is "
                    f"{Network.model_fields[other].default}",
                )
        return self


class Names(Model):
    """The same name in both languages of the kit."""

    en: Annotated[str, Field(min_length=1)]
    fr: Annotated[str, Field(min_length=1)]


UseCase = Literal["hs-classification", "valuation", "xray-inspection", "declaration-router", "language-assistant"]

IN_THE_CLOUD = Hosts(provider="cloud", nodes=())


class Site(Model):
    """One site: everything that sizing needs, and nothing that sizing decides.

    `hosts` may be left out where the topology is cloud; it is then `Hosts(provider="cloud", nodes=())`.
    """

    name: DnsLabel
    description: str = ""
    administration: Names | None = None  # how documents call the buyer; without it the description stands
    language: Literal["en", "fr"] = "en"
    tier: Tier
    topology: Topology
    workload: Workload
    use_cases: tuple[UseCase, ...] = ()  # models beside risk scoring, which every site has
    hosts: Hosts = IN_THE_CLOUD
    network: Network = Network()
    locations: Locations | None = None
    member_of: Membership | None = None  # of one location's cluster; Portolan writes it, nobody else
    security: Security = Security()
    identity: Identity | None = None
    accelerators: Accelerators | None = None  # how those of racked hosts are run
    storage: Storage = Storage()
    cloud: Cloud | None = None
    finance: Finance = Finance()

    @property
    def virtual_address(self) -> IPv4Address | None:
        """Return the address that moves between the control-plane hosts; None where there is none.

        What the file says; a sandbox with several control planes that says nothing takes the last of its range.
        """
        if self.network.virtual_address is not None:
            return IPv4Address(self.network.virtual_address)
        several = sum(host.role is HostRole.CONTROL_PLANE for host in self.hosts.nodes) > 1
        return self.control_range.broadcast_address - 1 if several and self.hosts.provider == "sandbox" else None

    @property
    def control_range(self) -> IPv4Network:
        """The range of the control-plane hosts: the site's, or that of their location."""
        there = next((host.location for host in self.hosts.nodes if host.role is HostRole.CONTROL_PLANE), None)
        return self.locations.named(there).hosts if self.locations is not None and there else self.network.hosts

    @model_validator(mode="after")
    def _storage_names_hosts_of_the_site(self) -> Self:
        check_storage(self.storage, self.hosts)
        return self

    @model_validator(mode="after")
    def _published_needs_an_address(self) -> Self:
        if self.network.published and self.virtual_address is None:
            raise fault(
                ("network", "published"),
                "there is no virtual address to publish services on",
                "add network.virtual_address: a free address of the hosts' network",
            )
        if self.network.load_balancer != "haproxy" and self.virtual_address is None:
            raise fault(
                ("network", "load_balancer"),
                "there is no virtual address to balance at",
                "add network.virtual_address: a free address of the hosts' network",
            )
        return self

    @model_validator(mode="after")
    def _topology_has_its_parts(self) -> Self:
        rented = self.topology is not Topology.ON_PREM
        if rented and self.cloud is None:
            raise fault(
                ("topology",),
                f"topology {self.topology.value} needs a cloud, and the file has none",
                "add `cloud:` with provider and region; see docs/reference/site.md",
            )
        if not rented and self.cloud is not None:
            raise fault(
                ("cloud",),
                "an on-prem site has no cloud",
                "remove `cloud` (finance.compare_provider names the cloud to compare with), or use topology hybrid",
            )
        if self.topology is Topology.CLOUD and self.hosts.provider != "cloud":
            raise fault(
                ("hosts",), "a site in the cloud lists no hosts", "remove `hosts`, or use topology hybrid or on-prem"
            )
        if self.topology is not Topology.CLOUD and self.hosts.provider == "cloud":
            raise fault(("hosts",), "is missing", "add `hosts: ...`; see docs/reference/site.md")
        if self.topology is Topology.HYBRID and self.workload.share_on_site is None:
            raise fault(
                ("workload",),
                "a hybrid site must say which share of load and data stays on site",
                "add `share_on_site: 0.6`, for example, under workload",
            )
        return self

    @model_validator(mode="after")
    def _locations_fit(self) -> Self:
        if self.locations is None:
            for place, host in enumerate(self.hosts.nodes):
                if host.location is not None:
                    raise fault(
                        ("hosts", "nodes", place, "location"),
                        f"host {host.name} is in location {host.location}, and the site has no locations",
                        "add `locations:`, or remove the key",
                    )
            return self
        if self.topology is not Topology.HYBRID:
            raise fault(
                ("locations",),
                f"a site of topology {self.topology.value} has no locations",
                "use topology hybrid, or remove `locations`",
            )
        check_locations(self.locations, self.hosts, self.network)
        for place, location in enumerate(self.locations.places):
            if self.locations.clusters == "one-a-location" and len(self.name) + len(location.name) >= LONGEST_NAME:
                raise fault(
                    ("locations", "places", place, "name"),
                    f"the cluster there is called {self.name}-{location.name}, longer than {LONGEST_NAME} characters",
                    "shorten the name of the site or of the location",
                )
        return self

    @model_validator(mode="after")
    def _devices_fit(self) -> Self:
        check_accelerators(self.accelerators, self.hosts)
        check_links(self.hosts, self.network, self.host_ranges)
        check_identity(self.identity, self.hosts)
        return self

    @model_validator(mode="after")
    def _virtual_address_is_in_range(self) -> Self:
        if self.network.virtual_address is None:
            return self
        address, reach = IPv4Address(self.network.virtual_address), self.control_range
        if address not in reach or address in (reach.network_address, reach.broadcast_address):
            raise fault(
                ("network", "virtual_address"),
                f"{address} is no host's address of the hosts' range {reach}: it moves between those hosts",
                "choose a free address of the hosts' own network",
            )
        return self

    @property
    def host_ranges(self) -> tuple[IPv4Network, ...]:
        """The ranges that hosts' addresses are from: one a location, or the site's own."""
        if self.locations is None:
            return (self.network.hosts,)
        return tuple(location.hosts for location in self.locations.places)

    def location_of(self, host: Host) -> Location | None:
        """Return where a host is; None where the site has no locations."""
        if self.locations is None or host.location is None:
            return None
        return self.locations.named(host.location)

    @model_validator(mode="after")
    def _use_cases_once(self) -> Self:
        for place, name in enumerate(self.use_cases):
            if name in self.use_cases[:place]:
                raise fault(("use_cases", place), f"{name} is there twice", "keep it once")
        return self

    @model_validator(mode="after")
    def _ranges_hold_the_hosts(self) -> Self:
        count = len(self.hosts.nodes)
        if self.network.pods.prefixlen > POD_RANGE_OF_A_NODE:
            room = 0
        else:
            room = 2 ** (POD_RANGE_OF_A_NODE - self.network.pods.prefixlen)
        if room < count:
            raise fault(
                ("network", "pods"),
                f"{self.network.pods} has room for {room} nodes of a /{POD_RANGE_OF_A_NODE} each, the site has {count}",
                "choose a larger range, for example 10.96.0.0/12",
            )
        if self.locations is not None:
            return self
        # The range's first and last address are not hosts', one is the gateway's, and one may be virtual.
        reserved = 3 + (self.virtual_address is not None)
        if self.hosts.provider == "sandbox" and self.network.hosts.num_addresses - reserved < count:
            raise fault(
                ("network", "hosts"),
                f"{self.network.hosts} is too small for {count} hosts and their gateway",
                "choose a larger range, for example 10.89.0.0/24",
            )
        for place, host in enumerate(self.hosts.nodes):
            if host.address is not None and host.address == self.network.virtual_address:
                raise fault(
                    ("network", "virtual_address"),
                    f"{host.address} is the address of host {host.name}",
                    "choose an address that no host has: it moves between the control-plane hosts",
                )
            inside = host.address is None or IPv4Address(host.address) in self.network.hosts
            if self.network.plugin == "bridge" and not inside:
                raise fault(
                    ("hosts", "nodes", place, "address"),
                    f"{host.address} is outside the hosts' range {self.network.hosts}, which plugin bridge must share",
                    "correct the address, set network.hosts to the range of your hosts, or use plugin cilium or calico",
                )
        return self
