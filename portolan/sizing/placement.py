"""What runs where on a site with several locations: one cluster or several, classes of data, and bursts."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final, Literal

from portolan.model import Model
from portolan.sites.locations import LONGEST_ROUND_TRIP_MILLISECONDS, Bursts, Clusters, DataClass, Locations
from portolan.sites.membership import Membership
from portolan.sites.schema import Host, HostRole, Site

LOCATION_LABEL: Final = "portolan.dev/location"
KIND_LABEL: Final = "portolan.dev/location-kind"  # also the key of the taint on hosts in the cloud
CLASS_LABEL: Final = "portolan.dev/data-class"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"  # Kubernetes' own: services prefer answers from the same place
REQUIREMENT: Final = "HYB-9.5.4-02"  # sensitive data stay in the local data centre

# Which data a namespace of the platform holds; any other is told by its label.
NAMESPACE_CLASSES: Final[dict[str, DataClass]] = {
    "portolan-system": DataClass.SENSITIVE,
    "risk-scoring": DataClass.SENSITIVE,
    "bursts": DataClass.ANONYMISED,
}
# The same for the cluster of one location, where each has its own: what is sensitive is not there at all in the cloud.
CLUSTER_CLASSES: Final[dict[str, dict[str, DataClass]]] = {
    "on-site": {name: data for name, data in NAMESPACE_CLASSES.items() if name != "bursts"},
    "cloud": {"portolan-system": DataClass.ANONYMISED, "bursts": DataClass.ANONYMISED},
}


class PlannedLocation(Model):
    """One location of the plan, and its hosts."""

    name: str
    kind: Literal["on-site", "cloud"]
    range: IPv4Network
    gateway: str
    hosts: tuple[str, ...]
    data: tuple[DataClass, ...]  # what may lie there
    gateway_address: str | None = None  # of a neighbour's gateway, in the plan of one location's cluster


class BurstLimits(Model):
    """What training in the cloud may take."""

    seconds_per_job: int
    node_hours_per_month: float
    node_hour_price: float
    monthly_budget: float
    currency: str
    jobs_at_once: int


class PlacementPlan(Model):
    """Locations, the number of clusters with the reason for it, and where which data may be."""

    clusters: Clusters
    reason: str
    locations: tuple[PlannedLocation, ...]
    namespaces: dict[str, DataClass]
    bursts: BurstLimits
    egress_enforced: bool  # whether the network plugin enforces a NetworkPolicy
    here: str | None = None  # the location, in the plan of one location's cluster

    @property
    def here_kind(self) -> Literal["on-site", "cloud"] | None:
        """Return where this cluster is; None for one that is in several places."""
        return next((location.kind for location in self.locations if location.name == self.here), None)

    def hosts_of_kind(self, kind: Literal["on-site", "cloud"]) -> tuple[str, ...]:
        """Return the names of all hosts on site, or in the cloud."""
        return tuple(host for location in self.locations if location.kind == kind for host in location.hosts)


def clusters(locations: Locations) -> tuple[Clusters, str]:
    """Return whether one cluster spans the locations, and why."""
    chosen, milliseconds = locations.clusters, locations.tunnel.round_trip_milliseconds
    limit = f"{LONGEST_ROUND_TRIP_MILLISECONDS:g} ms"
    if chosen == "stretched":
        return (
            chosen,
            f"one API, one queue and one set of policies for both sides (HYB-9.5.4-03); the control plane stays in one "
            f"location, so that etcd does not cross the tunnel, and a round trip of {milliseconds:g} ms is "
            f"under the {limit} that nodes bear",
        )
    return (
        chosen,
        f"a round trip of {milliseconds:g} ms is over the {limit} that nodes of one cluster bear; each location has a "
        f"control plane of its own, and one management works on all of them (HYB-9.5.4-03)",
    )


def plan_placement(site: Site) -> PlacementPlan | None:
    """Return what runs where; None for a site of one place that belongs to no other."""
    if site.member_of is not None:
        return _of_member(site, site.member_of)
    if site.locations is None:
        return None
    chosen, reason = clusters(site.locations)
    return PlacementPlan(
        clusters=chosen,
        reason=reason,
        locations=tuple(
            PlannedLocation(
                name=location.name,
                kind=location.kind,
                range=location.hosts,
                gateway=str(location.gateway),
                hosts=tuple(host.name for host in site.hosts.nodes if host.location == location.name),
                data=may_lie(location.kind),
            )
            for location in site.locations.places
        ),
        namespaces=dict(NAMESPACE_CLASSES),
        bursts=_limits(site, site.locations.bursts),
        egress_enforced=site.network.plugin != "bridge",
    )


def _of_member(site: Site, member: Membership) -> PlacementPlan:
    """Return what runs where as one location's cluster knows it: its own hosts, and its neighbours' gateways."""
    here = PlannedLocation(
        name=member.location,
        kind=member.kind,
        range=site.network.hosts,
        gateway=member.gateway,
        hosts=tuple(host.name for host in site.hosts.nodes),
        data=may_lie(member.kind),
    )
    others = tuple(
        PlannedLocation(
            name=one.name,
            kind=one.kind,
            range=one.hosts,
            gateway=one.gateway,
            hosts=(),
            data=may_lie(one.kind),
            gateway_address=str(one.address) if one.address else None,
        )
        for one in member.neighbours
    )
    return PlacementPlan(
        clusters="one-a-location",
        reason=f"the cluster of location {member.location}, one of {len(others) + 1} of site {member.site}",
        locations=(here, *others),
        namespaces=dict(CLUSTER_CLASSES[member.kind]),
        bursts=_limits(site, member.bursts),
        egress_enforced=site.network.plugin != "bridge",
        here=member.location,
    )


def _limits(site: Site, bursts: Bursts) -> BurstLimits:
    return BurstLimits(
        seconds_per_job=round(bursts.hours_per_job * 3600),
        node_hours_per_month=bursts.node_hours_per_month,
        node_hour_price=bursts.node_hour_price,
        monthly_budget=bursts.monthly_budget,
        currency=site.finance.currency,
        jobs_at_once=bursts.jobs_at_once,
    )


def may_lie(kind: Literal["on-site", "cloud"]) -> tuple[DataClass, ...]:
    """Return the classes of data that may lie in a place of that kind.

    >>> [one.value for one in may_lie("cloud")]
    ['anonymised', 'public']
    """
    return tuple(one for one in DataClass if kind == "on-site" or one is not DataClass.SENSITIVE)


def location_labels(site: Site, host: Host) -> dict[str, str]:
    """Return the labels that say where a host is; none for a site without locations."""
    if site.member_of is not None:
        here = site.member_of
        return {LOCATION_LABEL: here.location, KIND_LABEL: here.kind, ZONE_LABEL: here.location}
    location = site.location_of(host)
    if location is None:
        return {}
    return {LOCATION_LABEL: location.name, KIND_LABEL: location.kind, ZONE_LABEL: location.name}


def location_taints(site: Site, host: Host) -> tuple[str, ...]:
    """Return the taints of a host's node: what did not ask for the cloud is not put there."""
    location = site.location_of(host)
    if location is None or location.kind == "on-site" or host.role is HostRole.CONTROL_PLANE:
        return ()
    return (f"{KIND_LABEL}=cloud:NoSchedule",)


def warnings(plan: PlacementPlan | None) -> tuple[str, ...]:
    """Return what a reader must know of the placement."""
    if plan is None:
        return ()
    found = []
    if plan.clusters == "one-a-location" and plan.here is None:
        found.append(
            f"{plan.reason}: {len(plan.locations)} clusters, each with its own API, its own monthly budget for bursts "
            "and its own store; anonymised data are copied to the cloud, and work does not move by itself"
        )
    if not plan.egress_enforced:
        found.append(
            "network plugin bridge enforces no NetworkPolicy: where sensitive pods may connect to is told, not "
            "enforced; admission, taints and the gateways' firewall still hold. Use cilium or calico where it matters"
        )
    return tuple(found)
