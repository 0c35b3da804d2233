"""A cluster that Ansible made on the site's own hosts: reached by its kubeconfig."""

from __future__ import annotations

import pulumi_kubernetes as kubernetes

from portolan.sites.schema import HostRole
from stacks.clusters.interface import Cluster, NodePoolView, StorageOffer
from stacks.settings import Settings

# The directories that the Ansible role `storage` makes on every worker.
VOLUME_DIRECTORY = "/var/lib/portolan/volumes"
VOLUMES_PER_HOST = 4
VOLUME_BYTES = 10 * 2**30


def connect(settings: Settings) -> Cluster:
    """Return the existing cluster of the plan, as the platform sees it."""
    plan = settings.plan
    # In one location's own cluster every host is on the same side.
    stretched = plan.placement is not None and plan.placement.here is None
    elsewhere = plan.placement.hosts_of_kind("cloud") if plan.placement and stretched else ()
    workers = tuple(host for host in plan.hosts if host.role is HostRole.WORKER)
    return Cluster(
        provider=kubernetes.Provider(
            "cluster",
            kubeconfig=str(settings.kubeconfig),
            enable_server_side_apply=True,
            # What was changed by hand is mended, whoever changed it.
            enable_patch_force=True,
        ),
        storage=StorageOffer(
            kind="local-directories",
            class_name="portolan-local",
            directory=VOLUME_DIRECTORY,
            count_per_host=VOLUMES_PER_HOST,
            capacity_bytes=VOLUME_BYTES,
            hosts=tuple(host.name for host in workers),
            hosts_in_cloud=elsewhere,
        ),
        object_store="in-cluster",
        node_pools=tuple(
            NodePoolView(
                name=pool.name,
                pool=pool.pool,
                hosts=tuple(host.name for host in plan.hosts if host.node_pool == pool.name),
            )
            for pool in plan.pools
        ),
        load_balancer="node-port",
        # Officers on site ask a host on site: an answer from the cloud would need the tunnel.
        addresses=tuple(
            settings.addresses[host.name]
            for host in workers
            if host.name in settings.addresses and host.name not in elsewhere
        ),
    )
