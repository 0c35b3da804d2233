"""Node groups: one for each pool of the plan and way of buying."""

from __future__ import annotations

import math

import pulumi
import pulumi_aws.ec2 as ec2
import pulumi_aws.eks as eks

from portolan.sizing.parts import CloudPool
from stacks.clusters.aws.roles import role
from stacks.clusters.rented import RentedArgs, group_name, node_labels, node_taints

# A reservation is a discount on instances that run on demand; AWS has no node group of its own kind for it.
CAPACITY = {"reserved": "ON_DEMAND", "on-demand": "ON_DEMAND", "interruptible": "SPOT"}
# Amazon Linux 2023; the second brings NVIDIA's driver and container toolkit.
IMAGE, GPU_IMAGE = "AL2023_x86_64_STANDARD", "AL2023_x86_64_NVIDIA"


class NodeGroups(pulumi.ComponentResource):
    """The cluster's nodes."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        cluster: eks.Cluster,
        subnet_ids: list[pulumi.Output[str]],
        key_arn: pulumi.Output[str],
        after: list[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:aws:NodeGroups", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        nodes, attached = role(
            f"{name}-nodes",
            "ec2.amazonaws.com",
            ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore"),
            args.tags,
            inside,
        )
        for pool in args.plan.pools:
            own = group_name(pool)
            template = ec2.LaunchTemplate(
                f"{name}-{own}",
                update_default_version=True,
                block_device_mappings=[
                    ec2.LaunchTemplateBlockDeviceMappingArgs(
                        device_name="/dev/xvda",
                        ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                            volume_size=math.ceil(float(pool.disk_bytes) / 2**30),
                            volume_type="gp3",
                            encrypted="true",
                            kms_key_id=key_arn,
                            delete_on_termination="true",
                        ),
                    )
                ],
                # Pods do not reach the node's own credentials: version 2 only, one hop.
                metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                    http_tokens="required", http_put_response_hop_limit=1
                ),
                # Tags of a group stay with the group: hosts and disks, which cost money, get theirs here.
                tag_specifications=[
                    ec2.LaunchTemplateTagSpecificationArgs(resource_type=one, tags=args.tags)
                    for one in ("instance", "volume")
                ],
                tags=args.tags,
                opts=inside,
            )
            eks.NodeGroup(
                own,
                cluster_name=cluster.name,
                node_role_arn=nodes.arn,
                subnet_ids=subnet_ids,
                ami_type=GPU_IMAGE if pool.accelerators else IMAGE,
                capacity_type=CAPACITY[pool.purchase],
                instance_types=[pool.instance],
                launch_template=eks.NodeGroupLaunchTemplateArgs(
                    id=template.id, version=template.latest_version.apply(str)
                ),
                scaling_config=eks.NodeGroupScalingConfigArgs(
                    desired_size=int(pool.count), min_size=pool.least, max_size=pool.most
                ),
                update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
                labels=node_labels(pool),
                taints=_taints(pool),
                tags={
                    **args.tags,
                    "k8s.io/cluster-autoscaler/enabled": "true",
                    f"k8s.io/cluster-autoscaler/{args.name}": "owned",
                },
                # The autoscaler changes the number of nodes; the program must not change it back.
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=[*attached, *after], ignore_changes=["scalingConfig.desiredSize"]
                ),
            )
        self.register_outputs({})


def _taints(pool: CloudPool) -> list[eks.NodeGroupTaintArgs]:
    return [eks.NodeGroupTaintArgs(key=key, value=value, effect="NO_SCHEDULE") for key, value in node_taints(pool)]
