"""What runs where on a site with several locations: one cluster or several, classes of data, and bursts."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final, Literal

from portolan.model import Model
from portolan.sites.locations import DataClass, Location
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
# A kubelet renews its lease every 10 s and is given up after 40 s (KubeletConfiguration, node-monitor-grace-period):
# many round trips fit. The limit keeps room for a request of several round trips within probes and webhooks of 1 s.
LONGEST_ROUND_TRIP_MILLISECONDS: Final = 150.0

Clusters = Literal["stretched", "one-a-location"]


class PlannedLocation(Model):
    """One location of the plan, and its hosts."""

    name: str
    kind: Literal["on-site", "cloud"]
    range: IPv4Network
    gateway: str
    hosts: tuple[str, ...]
    data: tuple[DataClass, ...]  # what may lie there


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

    def hosts_of_kind(self, kind: Literal["on-site", "cloud"]) -> tuple[str, ...]:
        """Return the names of all hosts on site, or in the cloud."""
        return tuple(host for location in self.locations if location.kind == kind for host in location.hosts)


def clusters(round_trip_milliseconds: float) -> tuple[Clusters, str]:
    """Return whether one cluster spans the locations, and why.

    >>> clusters(20)[0], clusters(400)[0]
    ('stretched', 'one-a-location')
    """
    limit = f"{LONGEST_ROUND_TRIP_MILLISECONDS:g} ms"
    if round_trip_milliseconds <= LONGEST_ROUND_TRIP_MILLISECONDS:
        return (
            "stretched",
            f"one API, one queue and one set of policies for both sides (HYB-9.5.4-03); the control plane stays in one "
            f"location, so that etcd does not cross the tunnel, and a round trip of {round_trip_milliseconds:g} ms is "
            f"under the {limit} that nodes bear",
        )
    return (
        "one-a-location",
        f"a round trip of {round_trip_milliseconds:g} ms is over the {limit} that nodes of one cluster bear",
    )


def plan_placement(site: Site) -> PlacementPlan | None:
    """Return what runs where; None for a site without locations."""
    if site.locations is None:
        return None
    chosen, reason = clusters(site.locations.tunnel.round_trip_milliseconds)
    bursts = site.locations.bursts
    return PlacementPlan(
        clusters=chosen,
        reason=reason,
        locations=tuple(_location(site, location) for location in site.locations.places),
        namespaces=dict(NAMESPACE_CLASSES),
        bursts=BurstLimits(
            seconds_per_job=round(bursts.hours_per_job * 3600),
            node_hours_per_month=bursts.node_hours_per_month,
            node_hour_price=bursts.node_hour_price,
            monthly_budget=bursts.monthly_budget,
            currency=site.finance.currency,
            jobs_at_once=bursts.jobs_at_once,
        ),
        egress_enforced=site.network.plugin != "bridge",
    )


def _location(site: Site, location: Location) -> PlannedLocation:
    everything = tuple(DataClass)
    return PlannedLocation(
        name=location.name,
        kind=location.kind,
        range=location.hosts,
        gateway=str(location.gateway),
        hosts=tuple(host.name for host in site.hosts.nodes if host.location == location.name),
        data=everything
        if location.kind == "on-site"
        else tuple(one for one in everything if one is not DataClass.SENSITIVE),
    )


def location_labels(site: Site, host: Host) -> dict[str, str]:
    """Return the labels that say where a host is; none for a site without locations."""
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
    if plan.clusters == "one-a-location":
        found.append(
            f"{plan.reason}: two clusters under one management are not built yet; the tunnel joins nodes to one cluster"
        )
    if not plan.egress_enforced:
        found.append(
            "network plugin bridge enforces no NetworkPolicy: where sensitive pods may connect to is told, not "
            "enforced; admission, taints and the gateways' firewall still hold. Use cilium or calico where it matters"
        )
    return tuple(found)
