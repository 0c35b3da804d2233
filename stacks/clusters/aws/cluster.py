"""EKS with a private API endpoint, and all that it stands on."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws
import pulumi_aws.cloudwatch as cloudwatch
import pulumi_aws.eks as eks
import pulumi_aws.iam as iam
import pulumi_aws.kms as kms

from stacks.clusters.aws.network import Network
from stacks.clusters.aws.nodes import NodeGroups
from stacks.clusters.aws.roles import role
from stacks.clusters.aws.storage import Stores
from stacks.clusters.aws.watch import Watch
from stacks.clusters.rented import RETENTION_DAYS, WORKLOAD_BUCKETS, RentedArgs, Runtime, Storage

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
BEFORE_NODES = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
AFTER_NODES = ("coredns", "aws-ebs-csi-driver", "aws-efs-csi-driver")
# Who in the cluster acts on AWS: namespace, service account, AWS's managed policies.
WORKLOADS = {
    "ebs-csi": ("kube-system", "ebs-csi-controller-sa", ("service-role/AmazonEBSCSIDriverPolicy",)),
    "efs-csi": ("kube-system", "efs-csi-controller-sa", ("service-role/AmazonEFSCSIDriverPolicy",)),
    "vpc-cni": ("kube-system", "aws-node", ("AmazonEKS_CNI_Policy",)),
    "autoscaler": ("kube-system", "cluster-autoscaler", ()),
    "risk-scoring": ("risk-scoring", "risk-scoring", ()),
}
# Services of type LoadBalancer: the cluster's own controller makes a network load balancer inside the network.
INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-type": "nlb",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    "service.beta.kubernetes.io/aws-load-balancer-cross-zone-load-balancing-enabled": "true",
}


class AmazonCluster(pulumi.ComponentResource):
    """The plan as a cluster on AWS. Outputs `endpoint`, and `kubeconfig` as a secret without any key in it."""

    endpoint: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    runtime: Runtime

    def __init__(self, name: str, args: RentedArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:aws:Cluster", name, None, opts)
        self._args, self._inside = args, pulumi.ResourceOptions(parent=self)
        key = self._key(name)
        network = Network(name, args, self._inside)
        traffic = self._flow_log(name, network, key)
        # Made before the cluster, which would make it without the key.
        log = cloudwatch.LogGroup(
            f"{name}-control-plane",
            name=f"/aws/eks/{args.name}/cluster",
            retention_in_days=RETENTION_DAYS,
            kms_key_id=key.arn,
            tags=args.tags,
            opts=self._inside,
        )
        control, attached = role(
            f"{name}-control-plane", "eks.amazonaws.com", ("AmazonEKSClusterPolicy",), args.tags, self._inside
        )
        self.cluster = eks.Cluster(
            name,
            name=args.name,
            role_arn=control.arn,
            version=args.kubernetes_version or None,
            vpc_config=eks.ClusterVpcConfigArgs(
                subnet_ids=network.private_subnet_ids, endpoint_private_access=True, endpoint_public_access=False
            ),
            access_config=eks.ClusterAccessConfigArgs(authentication_mode="API"),
            kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(service_ipv4_cidr=str(args.services)),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn), resources=["secrets"]
            ),
            enabled_cluster_log_types=list(LOGS),
            deletion_protection=True,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=[log, *attached]),
        )
        early = self._addons(BEFORE_NODES, [])
        nodes = NodeGroups(
            name,
            args,
            self.cluster,
            network.private_subnet_ids,
            key.arn,
            early,
            self._inside,
        )
        stores = Stores(name, args, network, key.arn, self._inside)
        roles = self._workloads(stores)
        self._addons(AFTER_NODES, [nodes, *roles])
        logs = {"control-plane": log, "traffic": traffic}
        Watch(name, args, logs, stores, key.arn, self._inside)
        block = {"type": "gp3", "encrypted": "true", "kmsKeyId": key.arn}
        files = {"provisioningMode": "efs-ap", "fileSystemId": stores.file_system_id, "directoryPerms": "700"}
        self.runtime = Runtime(
            Storage("ebs.csi.aws.com", block, "efs.csi.aws.com", files), INTERNAL, device_plugin=True, autoscaler=True
        )
        self.endpoint = self.cluster.endpoint
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(self.cluster.endpoint, self.cluster.certificate_authority, self.cluster.name).apply(
                lambda found: kubeconfig(found[0], found[1]["data"], found[2], args.plan.region)
            )
        )
        self.register_outputs({"endpoint": self.endpoint, "kubeconfig": self.kubeconfig})

    def _key(self, name: str) -> kms.Key:
        """Make the key of disks, secrets, buckets, files, images and logs; it turns over every year."""
        account = aws.get_caller_identity_output(opts=pulumi.InvokeOptions(parent=self)).account_id
        key = kms.Key(
            name,
            description=f"Data at rest of site {self._args.name}",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=account.apply(lambda found: key_policy(found, self._args.plan.region)),
            tags=self._args.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        kms.Alias(name, name=f"alias/portolan-{self._args.name}", target_key_id=key.key_id, opts=self._inside)
        return key

    def _flow_log(self, name: str, network: Network, key: kms.Key) -> cloudwatch.LogGroup:
        log = cloudwatch.LogGroup(
            f"{name}-traffic",
            retention_in_days=RETENTION_DAYS,
            kms_key_id=key.arn,
            tags=self._args.tags,
            opts=self._inside,
        )
        writer, _ = role(f"{name}-traffic", "vpc-flow-logs.amazonaws.com", (), self._args.tags, self._inside)
        actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        policy = iam.RolePolicy(
            f"{name}-traffic",
            role=writer.id,
            policy=log.arn.apply(lambda arn: allow(actions, [f"{arn}:*"])),
            opts=self._inside,
        )
        aws.ec2.FlowLog(
            name,
            vpc_id=network.vpc_id,
            traffic_type="ALL",
            log_destination=log.arn,
            iam_role_arn=writer.arn,
            tags=self._args.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        return log

    def _addons(self, names: tuple[str, ...], after: list[pulumi.Resource]) -> list[pulumi.Resource]:
        return [
            eks.Addon(
                one,
                cluster_name=self.cluster.name,
                addon_name=one,
                tags=self._args.tags,
                opts=pulumi.ResourceOptions(parent=self, depends_on=after),
            )
            for one in names
        ]

    def _workloads(self, stores: Stores) -> list[pulumi.Resource]:
        """Give each service account that acts on AWS a role of its own, by EKS pod identity."""
        made: list[pulumi.Resource] = []
        used = [stores.buckets[one].arn for one in WORKLOAD_BUCKETS]
        for name, (namespace, account, managed) in WORKLOADS.items():
            taken, attached = role(name, "pods.eks.amazonaws.com", managed, self._args.tags, self._inside)
            own = {
                "autoscaler": pulumi.Output.from_input(autoscaler_policy(self._args.name)),
                "risk-scoring": pulumi.Output.all(*used).apply(bucket_policy),
            }.get(name)
            if own is not None:
                attached.append(iam.RolePolicy(name, role=taken.id, policy=own, opts=self._inside))
            association = eks.PodIdentityAssociation(
                name,
                cluster_name=self.cluster.name,
                namespace=namespace,
                service_account=account,
                role_arn=taken.arn,
                tags=self._args.tags,
                opts=pulumi.ResourceOptions(parent=self, depends_on=attached),
            )
            made.append(association)
        return made


def allow(actions: list[str], resources: list[str], condition: dict[str, dict[str, str]] | None = None) -> str:
    """Return a policy of one statement."""
    statement: dict[str, object] = {"Effect": "Allow", "Action": actions, "Resource": resources}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def bucket_policy(arns: list[str]) -> str:
    """Return what training and scoring may do: read and write declarations and models, nothing else."""
    resources = [one for arn in arns for one in (arn, f"{arn}/*")]
    return allow(["s3:GetObject", "s3:PutObject", "s3:ListBucket"], resources)


def autoscaler_policy(cluster: str) -> str:
    """Return what the autoscaler may do: look at all groups, change only this cluster's."""
    look = ["autoscaling:Describe*", "ec2:Describe*", "eks:DescribeNodegroup"]
    change = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    tag = {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}
    statements = [
        {"Effect": "Allow", "Action": look, "Resource": ["*"]},
        {"Effect": "Allow", "Action": change, "Resource": ["*"], "Condition": {"StringEquals": tag}},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def key_policy(account: str, region: str) -> str:
    """Return who may use the key: the account through its roles, and the log and scaling services."""
    use = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    scaling = f"arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    trail = {"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": f"arn:aws:cloudtrail:*:{account}:trail/*"}}
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": scaling}, "Action": [*use, "kms:CreateGrant"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{region}.amazonaws.com"},
            "Action": use,
            "Resource": "*",
            "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:*"}},
        },
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": ["kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": trail,
        },
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def kubeconfig(endpoint: str, authority: str, cluster: str, region: str) -> str:
    """Return a kubeconfig that asks AWS for a token each time."""
    command = ["eks", "get-token", "--cluster-name", cluster, "--region", region]
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "args": command}}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": cluster,
            "clusters": [{"name": cluster, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
            "users": [{"name": cluster, "user": user}],
        }
    )
