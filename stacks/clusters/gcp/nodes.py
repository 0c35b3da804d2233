"""Node pools: one for each pool of the plan and way of buying."""

from __future__ import annotations

import math

import pulumi
import pulumi_gcp.container as container
import pulumi_gcp.serviceaccount as serviceaccount

from portolan.errors import PortolanError
from portolan.sizing.parts import CloudPool
from stacks.clusters.rented import RentedArgs, group_name, node_labels, node_taints

# Google's names of the GPUs in the catalogue (Compute Engine, GPU platforms, 2025).
ACCELERATORS = {
    "t4": "nvidia-tesla-t4",
    "v100": "nvidia-tesla-v100",
    "l4": "nvidia-l4",
    "a100-40": "nvidia-tesla-a100",
    "a100-80": "nvidia-a100-80gb",
    "h100": "nvidia-h100-80gb",
    "h200": "nvidia-h200-141gb",
}


class NodePools(pulumi.ComponentResource):
    """The cluster's nodes; Google puts driver and device plugin on those with GPUs."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        cluster: container.Cluster,
        account: serviceaccount.Account,
        key_id: pulumi.Output[str],
        after: list[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:gcp:NodePools", name, None, opts)
        for pool in args.plan.pools:
            own = group_name(pool)
            container.NodePool(
                own,
                name=own,
                cluster=cluster.id,
                location=args.plan.region,
                node_locations=list(args.zones),
                # Counted a zone: the autoscaler takes away what is one too many.
                initial_node_count=math.ceil(int(pool.count) / len(args.zones)) if pool.least else 0,
                autoscaling=container.NodePoolAutoscalingArgs(
                    total_min_node_count=pool.least,
                    total_max_node_count=max(1, pool.most),
                    location_policy="ANY" if pool.purchase == "interruptible" else "BALANCED",
                ),
                management=container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
                upgrade_settings=container.NodePoolUpgradeSettingsArgs(
                    strategy="SURGE", max_surge=0, max_unavailable=1
                ),
                node_config=self._nodes(pool, args, account, key_id),
                opts=pulumi.ResourceOptions(parent=self, depends_on=after, ignore_changes=["initialNodeCount"]),
            )
        self.register_outputs({})

    def _nodes(
        self,
        pool: CloudPool,
        args: RentedArgs,
        account: serviceaccount.Account,
        key_id: pulumi.Output[str],
    ) -> container.NodePoolNodeConfigArgs:
        return container.NodePoolNodeConfigArgs(
            machine_type=pool.instance,
            disk_size_gb=math.ceil(float(pool.disk_bytes) / 2**30),
            disk_type="pd-balanced",
            boot_disk_kms_key=key_id,
            image_type="COS_CONTAINERD",
            service_account=account.email,
            oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
            # Pods do not reach the node's own credentials.
            workload_metadata_config=container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            metadata={"disable-legacy-endpoints": "true"},
            shielded_instance_config=container.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
            guest_accelerators=[accelerator(pool)] if pool.accelerators else None,
            spot=pool.purchase == "interruptible",
            reservation_affinity=container.NodePoolNodeConfigReservationAffinityArgs(
                consume_reservation_type="ANY_RESERVATION" if pool.purchase == "reserved" else "NO_RESERVATION"
            ),
            labels=node_labels(pool),
            resource_labels=args.labels,
            taints=[
                container.NodePoolNodeConfigTaintArgs(key=key, value=value, effect="NO_SCHEDULE")
                for key, value in node_taints(pool)
            ],
        )


def accelerator(pool: CloudPool) -> container.NodePoolNodeConfigGuestAcceleratorArgs:
    """Return the GPUs of a node, with the driver that Google installs.

    Raises PortolanError where Google has no name for the GPU.
    """
    kind = ACCELERATORS.get(pool.accelerator)
    if kind is None:
        raise PortolanError(
            f"pool {pool.pool}",
            f"Google Cloud rents no GPU '{pool.accelerator}'",
            f"choose an instance type with one of {', '.join(ACCELERATORS)} under cloud.instances",
        )
    return container.NodePoolNodeConfigGuestAcceleratorArgs(
        type=kind,
        count=pool.accelerators,
        gpu_driver_installation_config=container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
            gpu_driver_version="DEFAULT"
        ),
    )
