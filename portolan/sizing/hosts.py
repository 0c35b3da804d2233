"""Services to nodes: how large each must be, how many are needed, and the hosts that the site has for them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from portolan.requirements.schema import Requirements
from portolan.sites.schema import Host, HostRole, Pool, Site
from portolan.sizing import accelerators
from portolan.sizing.placement import location_labels, location_taints
from portolan.sizing.plan import NodePool, PlannedHost, Quantity, Reason, ServicePlan, StoragePlan
from portolan.sizing.reasons import constant, decide, formula, required, weigh

GIBIBYTE = 2**30
# Nodes are filled to these shares of what they can allocate, so that a rollout's extra pod still finds room.
CPU_CEILING, MEMORY_CEILING = 0.80, 0.90
# A two-socket server; beyond it more nodes are bought, not larger ones.
LARGEST_CORES, LARGEST_MEMORY_BYTES = 128, 2048 * GIBIBYTE
# CoreDNS asks for two replicas of 100m and 70 MiB (kubeadm's manifest).
CLUSTER_MILLICORES, CLUSTER_MEBIBYTES = 200, 140
SYSTEM_DISK_BYTES = 40e9
STORAGE_COPIES = 3

GKE = (
    "Google Kubernetes Engine, plan node sizes: memory 25/20/10/6/2 % over 4/4/8/112/rest GiB + 100 MiB, "
    "CPU 6/1/0.5/0.25 % over 1/1/2/rest cores"
)
KUBEADM = "kubeadm's preflight checks: 2 cores, 1,700 MB"
OPENSHIFT = (
    "Red Hat OpenShift 4, control plane node sizing: 25 nodes 4 cores 16 GB, 100 nodes 8 and 32, 250 nodes 16 and 96"
)
CONTROL_PLANE_STEPS = ((25, 4, 16e9), (100, 8, 32e9), (250, 16, 96e9))


def reserved_cores(cores: float) -> float:
    """Return the cores that the system and the kubelet keep (Google's published steps).

    >>> reserved_cores(4)
    0.08
    """
    kept, left = 0.0, cores
    for width, share in ((1, 0.06), (1, 0.01), (2, 0.005), (math.inf, 0.0025)):
        kept += min(left, width) * share
        left = max(0.0, left - width)
    return round(kept, 6)


def reserved_memory_bytes(memory_bytes: float) -> float:
    """Return the memory that the system, the kubelet and the eviction threshold keep (Google's published steps)."""
    kept, left = 100.0 * 2**20, memory_bytes / GIBIBYTE
    for width, share in ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06), (math.inf, 0.02)):
        kept += min(left, width) * share * GIBIBYTE
        left = max(0.0, left - width)
    return kept


@formula("nodes.cores", "least c with (c - reserve(c)) * 0.80 >= cores / nodes left after one loss", GKE)
def node_cores(cores: float, nodes_left: float) -> float:
    """Return the cores a node needs so that those left after a loss carry the load; at most a two-socket server."""
    share = cores / nodes_left
    needed = 1
    while needed < LARGEST_CORES and (needed - reserved_cores(needed)) * CPU_CEILING < share:
        needed += 1
    return float(needed)


@formula("nodes.memory", "least GiB with (m - reserve(m)) * 0.90 >= memory / nodes left after one loss", GKE)
def node_memory_bytes(memory_bytes: float, nodes_left: float) -> float:
    """Return the memory a node needs so that those left after a loss carry the load."""
    share = memory_bytes / nodes_left
    needed = GIBIBYTE
    while needed < LARGEST_MEMORY_BYTES and (needed - reserved_memory_bytes(needed)) * MEMORY_CEILING < share:
        needed += GIBIBYTE
    return float(needed)


@formula("nodes.largest-pod-cores", "least c with (c - reserve(c)) * 0.80 >= the largest pod's cores", GKE)
def cores_for_pod(cores: float) -> float:
    """Return the cores of a node on which the largest pod fits."""
    return node_cores(cores, 1)


@formula("nodes.largest-pod-memory", "least GiB with (m - reserve(m)) * 0.90 >= the largest pod's memory", GKE)
def memory_for_pod(memory_bytes: float) -> float:
    """Return the memory of a node on which the largest pod fits."""
    return node_memory_bytes(memory_bytes, 1)


@formula(
    "nodes.count",
    "ceil(load / (largest node's allocatable * ceiling)) + 1",
    "the load on the largest nodes, and one spare",
)
def nodes_for_load(cores: float, memory_bytes: float) -> float:
    """Return the workers needed when each is as large as servers get."""
    by_cores = cores / ((LARGEST_CORES - reserved_cores(LARGEST_CORES)) * CPU_CEILING)
    room = (LARGEST_MEMORY_BYTES - reserved_memory_bytes(LARGEST_MEMORY_BYTES)) * MEMORY_CEILING
    return float(max(1, math.ceil(by_cores), math.ceil(memory_bytes / room)) + 1)


@formula("control-plane.cores", "table by number of nodes", OPENSHIFT)
def control_plane_cores(nodes: float) -> float:
    """Return the cores of a control-plane host in a cluster of that many nodes."""
    return next((cores for limit, cores, _ in CONTROL_PLANE_STEPS if nodes <= limit), CONTROL_PLANE_STEPS[-1][1])


@formula("control-plane.memory", "table by number of nodes", OPENSHIFT)
def control_plane_memory_bytes(nodes: float) -> float:
    """Return the memory of a control-plane host in a cluster of that many nodes."""
    return next((memory for limit, _, memory in CONTROL_PLANE_STEPS if nodes <= limit), CONTROL_PLANE_STEPS[-1][2])


@formula(
    "storage.node-disk",
    "object store * min(3, nodes) / nodes",
    "three copies on different hosts where there are three; room for growth is in the object store's own size",
)
def storage_disk_bytes(object_store: float, nodes: float) -> float:
    """Return the disk of each host of the storage pool."""
    return object_store * min(STORAGE_COPIES, nodes) / nodes


def plan_hosts(site: Site) -> tuple[PlannedHost, ...]:
    """Return the site's hosts with the pool that each belongs to, in the site's order."""
    return tuple(
        PlannedHost(
            name=host.name,
            node_pool=pool_name(host),
            role=host.role,
            pool=host.pool,
            address=host.address,
            labels=_labels(host) | location_labels(site, host),
            taints=location_taints(site, host),
            simulated_accelerators=dict(host.simulated_accelerators),
        )
        for host in site.hosts.nodes
    )


def pool_name(host: Host) -> str:
    """Return the name of the pool that the host belongs to: `control-plane`, `cpu`, `gpu` or `storage`."""
    return "control-plane" if host.role is HostRole.CONTROL_PLANE else host.pool.value


def _labels(host: Host) -> dict[str, str]:
    labels = {"portolan.dev/pool": pool_name(host)}
    if host.simulated_accelerators:
        labels["portolan.dev/accelerator"] = "simulated"
    return labels


def plan_pools(
    site: Site,
    services: Iterable[ServicePlan],
    storage: StoragePlan,
    requirements: Requirements,
    enforce_minima: bool,
    more_cores: float = 0.0,
    more_memory_bytes: float = 0.0,
    gpus: float = 0.0,
) -> tuple[NodePool, ...]:
    """Return one pool for each kind of node that the site has, in the order in which the site names them."""
    load = tuple(services)
    cores = _total(load, "cpu_millicores", CLUSTER_MILLICORES) / 1000 + more_cores
    memory_bytes = _total(load, "memory_mebibytes", CLUSTER_MEBIBYTES) * 2**20 + more_memory_bytes
    members: dict[str, list[Host]] = {}
    for host in site.hosts.nodes:
        members.setdefault(pool_name(host), []).append(host)
    workers = sum(host.role is HostRole.WORKER for host in site.hosts.nodes)
    left = max(1, workers - 1)
    first_worker_pool = next((name for name in ("cpu", "gpu", "storage") if name in members), None)
    pools = []
    for name, hosts in members.items():
        listed = constant("site.hosts", float(len(hosts)), "the site file")
        if name == "control-plane":
            pools.append(_control_plane(site, hosts, listed, enforce_minima))
            continue
        counts = [listed]
        if name == first_worker_pool:
            needed = weigh("nodes.count", cores=cores, memory_bytes=memory_bytes)
            elsewhere = workers - len(hosts)
            counts.append(needed.model_copy(update={"value": max(0.0, needed.value - elsewhere)}))
        pools.append(
            NodePool(
                name=name,
                role=HostRole.WORKER,
                pool=hosts[0].pool,
                count=decide("nodes", *counts),
                cpu_cores=decide(
                    "cores",
                    weigh("nodes.cores", cores=cores, nodes_left=left),
                    weigh("nodes.largest-pod-cores", cores=_largest(load, "cpu_millicores") / 1000),
                    *_minima(site, requirements, "host.cpu-cores", enforce_minima),
                ),
                memory_bytes=decide(
                    "bytes",
                    weigh("nodes.memory", memory_bytes=memory_bytes, nodes_left=left),
                    weigh("nodes.largest-pod-memory", memory_bytes=_largest(load, "memory_mebibytes") * 2**20),
                    *_minima(site, requirements, "host.memory-bytes", enforce_minima),
                ),
                disk_bytes=_disk(site, hosts, storage, requirements, enforce_minima),
                accelerators=accelerators.per_node(site, hosts[0].pool, tuple(hosts), requirements, gpus),
                accelerators_simulated=any(host.simulated_accelerators for host in hosts),
            )
        )
    return tuple(pools)


def _total(services: Iterable[ServicePlan], field: str, cluster: float) -> float:
    return cluster + sum(float(service.replicas) * float(getattr(service, field)) for service in services)


def _largest(services: Iterable[ServicePlan], field: str) -> float:
    return max(float(getattr(service, field)) for service in services)


# Rows that a check does not measure because a larger host is only recommended; the plan buys what they recommend.
RECOMMENDED = {"host.memory-bytes": ("MEM-9.6.4-02",)}


def _minima(site: Site, requirements: Requirements, check: str, enforce_minima: bool) -> list[Reason]:
    if not enforce_minima:
        return []
    return [
        required(row)
        for row in requirements.applying(site.tier, site.topology)
        if check in row.checks or row.id in RECOMMENDED.get(check, ())
    ]


def _disk(
    site: Site, hosts: list[Host], storage: StoragePlan, requirements: Requirements, enforce_minima: bool
) -> Quantity:
    reasons = [constant("nodes.system-disk", SYSTEM_DISK_BYTES, "system 10 GB, images 20 GB, logs 10 GB")]
    if hosts[0].pool is Pool.STORAGE:
        reasons.append(weigh("storage.node-disk", object_store=storage.object_store_bytes, nodes=len(hosts)))
    return decide("bytes", *reasons, *_minima(site, requirements, "host.disk-bytes", enforce_minima))


def _control_plane(site: Site, hosts: list[Host], listed: Reason, enforce_minima: bool) -> NodePool:
    cores = [constant("control-plane.smallest-cores", 2.0, KUBEADM)]
    memory = [constant("control-plane.smallest-memory", 1.7e9, KUBEADM)]
    if enforce_minima:
        nodes = len(site.hosts.nodes)
        cores.append(weigh("control-plane.cores", nodes=nodes))
        memory.append(weigh("control-plane.memory", nodes=nodes))
    return NodePool(
        name="control-plane",
        role=HostRole.CONTROL_PLANE,
        pool=hosts[0].pool,
        count=decide("nodes", listed),
        cpu_cores=decide("cores", *cores),
        memory_bytes=decide("bytes", *memory),
        disk_bytes=decide("bytes", constant("nodes.system-disk", SYSTEM_DISK_BYTES, "system, images, logs, etcd 8 GB")),
        accelerators=decide("GPU", constant("control-plane.accelerators", 0.0, "the control plane computes nothing")),
    )
