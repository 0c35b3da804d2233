"""Node pools: one for each pool of the plan and way of buying."""

from __future__ import annotations

import math
from typing import Any

import pulumi
from pulumi_azure_native import containerservice

from portolan.sizing.parts import CloudPool
from stacks.clusters.azure.identities import Place
from stacks.clusters.rented import RentedArgs, node_labels, node_taints

LONGEST_NAME = 12  # of a Linux node pool: small letters and digits (Azure naming rules)
WAYS = {"reserved": "", "on-demand": "od", "interruptible": "spot"}
SPOT = "kubernetes.azure.com/scalesetpriority"  # Azure puts this taint on interruptible nodes itself


def pool_name(pool: CloudPool) -> str:
    """Return a name that Azure takes and that is unique where a pool is bought in two ways."""
    way = WAYS[pool.purchase]
    return pool.pool.replace("-", "")[: LONGEST_NAME - len(way)] + way


def profile(pool: CloudPool, zones: tuple[str, ...], subnet_id: pulumi.Output[str]) -> dict[str, Any]:
    """Return what a pool is, as both the cluster's first pool and a pool of its own want it."""
    spot = pool.purchase == "interruptible"
    taints = [f"{key}={value}:NoSchedule" for key, value in node_taints(pool)]
    return {
        "vm_size": pool.instance,
        "count": int(pool.count),
        # A pool that may shrink to nothing starts with nothing; the autoscaler makes nodes when pods ask.
        "enable_auto_scaling": True,
        "min_count": pool.least,
        "max_count": max(1, pool.most),
        "availability_zones": list(zones),
        "vnet_subnet_id": subnet_id,
        "os_type": containerservice.OSType.LINUX,
        "os_sku": containerservice.OSSKU.AZURE_LINUX if not pool.accelerators else containerservice.OSSKU.UBUNTU,
        "os_disk_size_gb": math.ceil(float(pool.disk_bytes) / 2**30),
        "os_disk_type": containerservice.OSDiskType.MANAGED,
        "type": containerservice.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        "enable_encryption_at_host": True,
        "enable_node_public_ip": False,
        "gpu_profile": containerservice.GPUProfileArgs(driver=containerservice.GPUDriver.INSTALL)
        if pool.accelerators
        else None,
        "scale_set_priority": containerservice.ScaleSetPriority.SPOT if spot else None,
        "scale_set_eviction_policy": containerservice.ScaleSetEvictionPolicy.DELETE if spot else None,
        "spot_max_price": -1.0 if spot else None,  # up to the price on demand
        "node_labels": {**node_labels(pool), **({SPOT: "spot"} if spot else {})},
        "node_taints": [*taints, *([f"{SPOT}=spot:NoSchedule"] if spot else [])],
    }


def system_pool(args: RentedArgs) -> CloudPool:
    """Return the pool that carries the cluster's own services: the plan's, or else its nodes without GPU."""
    named = [pool for pool in args.plan.pools if pool.purpose == "system"]
    return (named or [pool for pool in args.plan.pools if not pool.accelerators])[0]


class NodePools(pulumi.ComponentResource):
    """The cluster's other nodes."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        place: Place,
        cluster: containerservice.ManagedCluster,
        subnet_id: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:azure:NodePools", name, None, opts)
        first = system_pool(args)
        for pool in args.plan.pools:
            if pool == first:
                continue
            containerservice.AgentPool(
                pool_name(pool),
                resource_group_name=place.group,
                resource_name_=cluster.name,
                agent_pool_name=pool_name(pool),
                mode=containerservice.AgentPoolMode.USER,
                tags=place.tags,
                **profile(pool, args.zones, subnet_id),
                # The autoscaler changes the number of nodes; the program must not change it back.
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["count"]),
            )
        self.register_outputs({})
