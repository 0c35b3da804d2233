"""From a site and the requirements to the plan."""

from __future__ import annotations

import hashlib
import json

from portolan.requirements.schema import Requirements
from portolan.sites.schema import HostRole, Pool, Site, Tier
from portolan.sizing.hosts import plan_hosts, plan_pools
from portolan.sizing.network import plan_network
from portolan.sizing.plan import NodePool, Plan
from portolan.sizing.services import plan_services
from portolan.sizing.storage import plan_storage
from portolan.sizing.targets import plan_targets


def site_digest(site: Site) -> str:
    """Return the SHA-256 of the site's canonical JSON: comments and order of keys in the file do not count."""
    canonical = json.dumps(site.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def size(site: Site, requirements: Requirements) -> Plan:
    """Return the plan for a site: a pure function, the same site gives the same bytes.

    Hosts of a sandbox are slices of one machine: they are sized by the load alone, and the report's minima for hardware
    become targets marked `simulated`.
    """
    enforce_minima = site.hosts.provider != "sandbox"
    services = plan_services(site, requirements)
    storage = plan_storage(site, requirements, enforce_minima)
    hosts = plan_hosts(site)
    pools = plan_pools(site, services, storage, requirements, enforce_minima)
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
        targets=plan_targets(site, hosts, requirements),
        warnings=_warnings(site, pools),
    )


def _warnings(site: Site, pools: tuple[NodePool, ...]) -> tuple[str, ...]:
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
