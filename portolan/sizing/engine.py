"""From a site and the requirements to the plan."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from portolan.costing.book import load_catalogue
from portolan.costing.shapes import CatalogueItem
from portolan.requirements.schema import Requirements
from portolan.sites.schema import HostRole, Pool, Site, Tier, Topology
from portolan.sizing import demand, hardware
from portolan.sizing.compute import peak_arrivals
from portolan.sizing.devices import plan_devices
from portolan.sizing.features import plan_features
from portolan.sizing.hosts import plan_hosts, plan_pools
from portolan.sizing.network import plan_network
from portolan.sizing.placement import plan_placement
from portolan.sizing.placement import warnings as placement_warnings
from portolan.sizing.plan import AcceleratorPlan, NodePool, Plan, PlannedHost, ServicePlan, StoragePlan, YearPlan
from portolan.sizing.reasons import constant, decide, required
from portolan.sizing.services import plan_services
from portolan.sizing.storage import plan_storage
from portolan.sizing.targets import plan_targets
from portolan.sizing.traffic import plan_spares, plan_traffic

# What runs in a cluster that only takes bursts; nothing of it answers an endpoint or holds what is sensitive.
BURST_SERVICES = frozenset({"object-store", "kuberay-operator", "risk-training-head", "risk-training-worker"})


def site_digest(site: Site) -> str:
    """Return the SHA-256 of the site's canonical JSON: comments and order of keys in the file do not count."""
    canonical = json.dumps(site.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def size(
    site: Site,
    requirements: Requirements,
    catalogue: Mapping[str, CatalogueItem] | None = None,
    storage_year: int | None = None,
) -> Plan:
    """Return the plan for a site: a pure function, the same site gives the same bytes.

    Hardware and instances are chosen from `catalogue`, without it from the kit's own. Storage that is owned holds what
    is kept at the end of `storage_year`, without it what is kept when the retention is full for the first time; what
    is rented grows with what is kept.

    Hosts of a sandbox are slices of one machine: they are sized by the load alone, and the report's minima for hardware
    become targets marked `simulated`.
    """
    enforce_minima = site.hosts.provider != "sandbox"
    services = running_here(site, plan_services(site, requirements))
    storage = plan_storage(site, requirements, enforce_minima, storage_year)
    hosts = plan_hosts(site)
    if not enforce_minima:
        simulated = plan_pools(site, services, storage, requirements, enforce_minima)
        return _plan(site, services, storage, hosts, simulated, requirements, {})
    catalogue = load_catalogue() if catalogue is None else catalogue
    streaming, notebooks = demand.streaming_plan(site, requirements), demand.notebook_plan(site)
    brokers = streaming.kafka_brokers.value
    cores = (
        brokers * streaming.kafka_broker_cores.value
        + streaming.nifi_nodes.value * required(requirements.get("NIF-9.9.2-01")).value
    )
    cores += streaming.spark_cores.value + notebooks.cpu_cores.value
    memory = (
        brokers * streaming.kafka_broker_memory_bytes.value
        + streaming.nifi_nodes.value * required(requirements.get("NIF-9.9.2-02")).value
    )
    memory += streaming.spark_memory_bytes.value + notebooks.memory_bytes.value
    unmet: list[str] = []
    gpus = hardware.cheapest_gpu(site, catalogue, requirements)
    if gpus is None:
        unmet.append("no GPU of the catalogue meets the report's lines GPU-9.6.3-01 to 04")
    parts: dict[str, Any] = {"accelerators": gpus, "streaming": streaming, "notebooks": notebooks}
    pools: tuple[NodePool, ...] = ()
    if site.topology is not Topology.CLOUD:
        asked = 0.0 if gpus is None else gpus.total.value
        pools = plan_pools(owned(site), services, storage, requirements, enforce_minima, cores, memory, asked)
        bought, missing = hardware.bought(pools, gpus.model if gpus else "l4", catalogue)
        unmet += missing
        parts |= {"hardware": tuple(bought), "facility": hardware.facility(site, bought, catalogue)}
    if site.cloud is not None:
        share = 1.0 if site.topology is Topology.CLOUD else 1.0 - (site.workload.share_on_site or 0.0)
        cores += sum(service.replicas.value * service.cpu_millicores.value for service in services) / 1000
        memory += sum(service.replicas.value * service.memory_mebibytes.value for service in services) * 2**20
        if share > 0:
            need = hardware.Need(cores * share, memory * share, share)
            parts["cloud"], missing = hardware.cloud_plan(
                site, need, plan_storage(site, requirements, enforce_minima), catalogue, requirements
            )
            unmet += missing
            if site.topology is Topology.CLOUD:
                pools = hardware.rented_pools(parts["cloud"])
    nodes = sum(pool.count.value for pool in pools)
    backup = demand.backup_plan(site, storage.object_store_bytes.value)
    parts |= {
        "backup": backup,
        "traffic": plan_traffic(site, pools, storage, backup, gpus),
        "spares": plan_spares(pools, storage, site.topology is not Topology.CLOUD),
        "registry": demand.registry_plan(),
        "monitoring": demand.monitoring_plan(nodes),
        "years": plan_years(site, requirements, gpus),
        "unmet": tuple(unmet),
    }
    return _plan(site, services, storage, hosts, pools, requirements, parts)


def owned(site: Site) -> Site:
    """Return the site without the hosts in a cloud's location: they are rented, and no hardware is bought for them."""
    if site.locations is None:
        return site
    cloud = {location.name for location in site.locations.places if location.kind == "cloud"}
    kept = tuple(host for host in site.hosts.nodes if host.location not in cloud)
    return site.model_copy(update={"hosts": site.hosts.model_copy(update={"nodes": kept})})


def running_here(site: Site, services: tuple[ServicePlan, ...]) -> tuple[ServicePlan, ...]:
    """Return the services of this cluster: in a cloud's own cluster, what bursts need and nothing of sensitive data."""
    if site.member_of is None or site.member_of.kind == "on-site":
        return services
    return tuple(service for service in services if service.name in BURST_SERVICES)


def plan_years(site: Site, requirements: Requirements, gpus: AcceleratorPlan | None) -> tuple[YearPlan, ...]:
    """Return the main quantities of each year: the load of the first year, grown."""
    years = []
    load = site.workload
    for year in range(1, load.horizon_years + 1):
        factor = (1 + load.growth_per_year) ** (year - 1)
        grown = load.model_copy(
            update={"declarations_per_day": min(100_000_000, math.ceil(load.declarations_per_day * factor))}
        )
        that = site.model_copy(update={"workload": grown})
        services = running_here(that, plan_services(that, requirements))
        cores = sum(service.replicas.value * service.cpu_millicores.value for service in services) / 1000
        memory = sum(service.replicas.value * service.memory_mebibytes.value for service in services) * 2**20
        growth = f"year {year}: the first year's load times (1 + growth)^{year - 1}"
        years.append(
            YearPlan(
                year=year,
                arrivals_per_second=decide("declarations/s", peak_arrivals(that)),
                cpu_cores=decide("cores", constant("years.cores", cores, growth)),
                memory_bytes=decide("bytes", constant("years.memory", memory, growth)),
                accelerators=decide(
                    "GPU", constant("years.gpus", math.ceil((gpus.total.value if gpus else 0.0) * factor), growth)
                ),
                object_store_bytes=plan_storage(site, requirements, True, year).object_store_bytes,
            )
        )
    return tuple(years)


def _plan(
    site: Site,
    services: tuple[ServicePlan, ...],
    storage: StoragePlan,
    hosts: tuple[PlannedHost, ...],
    pools: tuple[NodePool, ...],
    requirements: Requirements,
    parts: dict[str, Any],
) -> Plan:
    enforce_minima = site.hosts.provider != "sandbox"
    targets = plan_targets(site, hosts, requirements)
    placement = plan_placement(site)
    if placement is not None and placement.here_kind == "cloud":
        targets = tuple(target for target in targets if target.check.startswith(("host.", "cluster.")))
    if site.hosts.provider == "cloud":
        nodes = sum(pool.count.value for pool in pools)
        targets = tuple(
            target.model_copy(update={"value": nodes}) if target.check == "cluster.nodes-ready" else target
            for target in targets
        )
    return Plan(
        site=site.name,
        site_digest=site_digest(site),
        tier=site.tier,
        topology=site.topology,
        host_provider=site.hosts.provider,
        pools=pools,
        hosts=hosts,
        services=services,
        storage=storage,
        network=plan_network(site, requirements, enforce_minima),
        targets=targets,
        warnings=(*_warnings(site, pools), *placement_warnings(placement)),
        placement=placement,
        features=plan_features(site),
        devices=plan_devices(site),
        **parts,
    )


def _warnings(site: Site, pools: tuple[NodePool, ...]) -> tuple[str, ...]:
    if site.hosts.provider == "cloud":
        return ()
    found = []
    nodes = site.hosts.nodes
    workers = [host for host in nodes if host.role is HostRole.WORKER]
    if site.hosts.provider == "sandbox":
        found.append(
            "the hosts are slices of one machine: sized by the load alone, "
            f"the {site.tier.value} tier's hardware minima cannot be measured on them"
        )
    if len(workers) < 2:
        found.append("fewer than two workers: training cannot spread over nodes, and nothing outlives the loss of one")
    if len(nodes) - len(workers) == 1:
        found.append("one control-plane host: the cluster cannot be changed while it is down")
    for pool in pools:
        listed = sum(1 for host in plan_hosts(site) if host.node_pool == pool.name)
        if float(pool.count) > listed:
            found.append(f"pool {pool.name} needs {int(pool.count)} nodes for the load, the site lists {listed}")
    if site.tier is Tier.PRODUCTION:
        found.append("one object-store replica: stored data outlive a host only where its volume does")
    if not any(host.pool is Pool.GPU for host in workers):
        found.append(
            "no host in the gpu pool: the report's lines on GPUs (K8S-9.5.6-02, GPU-9.6.3-03) bind nothing here"
        )
    if site.hosts.provider == "existing" and not any(host.pool is Pool.STORAGE for host in workers):
        found.append("no host in the storage pool: the object store and shared files need a NAS or hosts of their own")
    return tuple(found)
