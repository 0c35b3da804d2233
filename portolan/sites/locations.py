"""The places of a hybrid site: their ranges, gateways, the tunnel between them, and what may be sent to the cloud."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from portolan.model import Model
from portolan.sites.rules import DnsLabel, fault

if TYPE_CHECKING:
    from portolan.sites.schema import Hosts, Network

# A kubelet renews its lease every 10 s and is given up after 40 s (KubeletConfiguration, node-monitor-grace-period):
# many round trips fit. The limit keeps room for a request of several round trips within probes and webhooks of 1 s.
LONGEST_ROUND_TRIP_MILLISECONDS: Final = 150.0

# One cluster over all locations, or one in each under one management.
Clusters = Literal["stretched", "one-a-location"]

# A host's place in its range is told by three hexadecimal digits in the name of a sandbox host's link.
SHORTEST_RANGE_BITS = 20


class DataClass(StrEnum):
    """How closely data must be kept. A namespace carries one as the label `portolan.dev/data-class`."""

    SENSITIVE = "sensitive"
    ANONYMISED = "anonymised"
    PUBLIC = "public"


class Location(Model):
    """One place with hosts of its own: a data centre, or a cloud's region."""

    name: DnsLabel
    kind: Literal["on-site", "cloud"]
    hosts: IPv4Network
    gateway: DnsLabel | None = None  # the host that ends the tunnel here
    endpoint: str | None = None  # IPv4 address at which other gateways reach this one; None where it only calls out


class Tunnel(Model):
    """The encrypted way between locations (WireGuard)."""

    port: Annotated[int, Field(ge=1024, le=65534)] = 51820  # the next one serves while keys are rotated
    mtu_bytes: Annotated[int, Field(ge=1280, le=8920)] = 1420  # 1500 less 80 of WireGuard over IPv6
    keepalive_seconds: Annotated[int, Field(ge=1, le=3600)] = 10
    round_trip_milliseconds: PositiveFloat = 20.0  # of the line that is rented
    bandwidth_megabits_per_second: PositiveFloat = 100.0


class Bursts(Model):
    """Training that may run in the cloud, on anonymised or public data: its limits in time and money."""

    hours_per_job: PositiveFloat = 2.0
    node_hours_per_month: PositiveFloat = 40.0
    node_hour_price: PositiveFloat = 1.0  # in the currency of `finance`
    monthly_budget: PositiveFloat = 40.0
    jobs_at_once: Annotated[int, Field(ge=1, le=100)] = 1


class Locations(Model):
    """All places of the site, and how they hang together."""

    places: Annotated[tuple[Location, ...], Field(min_length=2)]
    tunnel: Tunnel = Tunnel()
    bursts: Bursts = Bursts()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names: set[str] = set()
        for place, location in enumerate(self.places):
            at = ("locations", "places", place)
            if location.name in names:
                raise fault((*at, "name"), f"location '{location.name}' is given twice", "give each a name of its own")
            names.add(location.name)
            if location.gateway is None:
                raise fault(
                    at,
                    f"no route leads to location {location.name}: it has no gateway",
                    "name the host there that ends the tunnel: `gateway: HOST`",
                )
            if location.endpoint is not None:
                try:
                    IPv4Address(location.endpoint)
                except AddressValueError as error:
                    raise fault(
                        (*at, "endpoint"), f"'{location.endpoint}' is not an IPv4 address", "give one, without a port"
                    ) from error
            if location.hosts.prefixlen < SHORTEST_RANGE_BITS:
                raise fault(
                    (*at, "hosts"),
                    f"{location.hosts} is larger than a /{SHORTEST_RANGE_BITS}",
                    "choose a range such as 10.93.0.0/24",
                )
        for (_, one), (place, other) in combinations(enumerate(self.places), 2):
            if one.hosts == other.hosts:
                raise fault(
                    ("locations", "places", place, "hosts"),
                    f"locations {one.name} and {other.name} have the same range {one.hosts}",
                    "give each location addresses of its own: a packet could not be told where to go",
                )
            if one.hosts.overlaps(other.hosts):
                raise fault(
                    ("locations", "places", place, "hosts"),
                    f"ranges overlap: {other.hosts} of {other.name} and {one.hosts} of {one.name}",
                    "give each location addresses of its own: a packet could not be told where to go",
                )
        if not any(location.kind == "on-site" for location in self.places):
            raise fault(
                ("locations", "places"), "no location is on-site", "set `kind: on-site` where sensitive data may lie"
            )
        return self

    @property
    def clusters(self) -> Clusters:
        """Return whether the line between the locations bears one cluster over all of them."""
        short = self.tunnel.round_trip_milliseconds <= LONGEST_ROUND_TRIP_MILLISECONDS
        return "stretched" if short else "one-a-location"

    def named(self, name: str) -> Location:
        """Return one location. Raises KeyError where there is none of that name."""
        for location in self.places:
            if location.name == name:
                return location
        raise KeyError(name)


def check_locations(locations: Locations, hosts: Hosts, network: Network) -> None:
    """Refuse hosts and ranges that do not fit the locations. Raises the site file's own error."""
    if "hosts" in network.model_fields_set:
        raise fault(
            ("network", "hosts"), "each location has a range of its own", "remove network.hosts, or the locations"
        )
    for place, location in enumerate(locations.places):
        for name, reserved in (("pods", network.pods), ("services", network.services)):
            if location.hosts.overlaps(reserved):
                raise fault(
                    ("locations", "places", place, "hosts"),
                    f"ranges overlap: {location.hosts} of location {location.name} and {name} {reserved}",
                    f"choose ranges that share no address; network.{name} can be changed too",
                )
    known = {location.name: location for location in locations.places}
    for place, host in enumerate(hosts.nodes):
        at = ("hosts", "nodes", place)
        if host.location is None:
            raise fault(at, f"host {host.name} is in no location", f"add `location: {locations.places[0].name}`")
        if host.location not in known:
            raise fault(
                (*at, "location"),
                f"there is no location '{host.location}'",
                f"give one of {', '.join(known)}, or add it to locations.places",
            )
        there = known[host.location]
        if host.address is not None and IPv4Address(host.address) not in there.hosts:
            raise fault(
                (*at, "address"),
                f"{host.address} is outside the range {there.hosts} of location {there.name}",
                "correct the address, the host's location, or the location's range",
            )
        if host.role == "control-plane" and there.kind == "cloud" and locations.clusters == "stretched":
            raise fault(
                (*at, "location"),
                f"control-plane host {host.name} is in the cloud, and the cluster's secrets would be as well",
                "put the control plane into an on-site location",
            )
    _check_gateways(locations, hosts)
    if locations.clusters == "one-a-location":
        _check_cluster_of_each(locations, hosts)
        return
    controllers = [host.location for host in hosts.nodes if host.role == "control-plane"]
    if len(set(controllers)) > 1:
        raise fault(
            ("hosts", "nodes"),
            f"control-plane hosts in {len(set(controllers))} locations: etcd would need the tunnel for every write",
            "put all control-plane hosts into one location; see docs/decisions/stretched-cluster.md",
        )
    check_quorum(len(controllers))


def check_quorum(control_planes: int, where: str = "") -> None:
    """Refuse a number of control-plane hosts of which no majority is left. Raises the site file's own error."""
    if control_planes % 2 == 0:
        raise fault(
            ("hosts", "nodes"),
            f"{control_planes} control-plane hosts{where}: etcd needs an odd number to keep a quorum",
            "give 1, 3 or 5 hosts the role control-plane",
        )


def _check_cluster_of_each(locations: Locations, hosts: Hosts) -> None:
    """Refuse a location whose hosts cannot be a cluster of their own."""
    for location in locations.places:
        there = [host.role for host in hosts.nodes if host.location == location.name]
        why = (
            f", and a round trip of {locations.tunnel.round_trip_milliseconds:g} ms is over the "
            f"{LONGEST_ROUND_TRIP_MILLISECONDS:g} ms that one cluster bears: each location is a cluster of its own"
        )
        for role in ("control-plane", "worker"):
            if role not in there:
                raise fault(
                    ("hosts", "nodes"),
                    f"location {location.name} has no {role} host{why}",
                    f"give {location.name} a host of role {role}; see docs/decisions/two-clusters.md",
                )
        check_quorum(sum(role == "control-plane" for role in there), f" in location {location.name}")


def _check_gateways(locations: Locations, hosts: Hosts) -> None:
    where = {host.name: host.location for host in hosts.nodes}
    for place, location in enumerate(locations.places):
        at = ("locations", "places", place, "gateway")
        if where.get(str(location.gateway)) != location.name:
            elsewhere = where.get(str(location.gateway))
            raise fault(
                at,
                f"no route leads to location {location.name}: its gateway {location.gateway} is "
                + (f"in {elsewhere}" if elsewhere else "no host of the site"),
                f"name a host of {location.name}: "
                + (", ".join(name for name, there in where.items() if there == location.name) or "it has none yet"),
            )
    hidden = [location for location in locations.places if location.endpoint is None]
    if hosts.provider == "existing" and len(hidden) > 1:
        raise fault(
            ("locations", "places", locations.places.index(hidden[1])),
            f"no route leads from {hidden[0].name} to {hidden[1].name}: neither gateway can be called",
            "give one of them `endpoint: ADDRESS`, at which the other reaches it",
        )
