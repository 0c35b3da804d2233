"""What each kind of resource is billed by: data, so that a kind nobody has thought of is found by a test."""

from __future__ import annotations

from typing import Final, NamedTuple

HOURS: Final = 730  # of a month, as the providers reckon


class Billed(NamedTuple):
    """One catalogue item a resource is billed by; `quantity` names what is counted."""

    item: str
    quantity: str  # "hours", "months", "share-gigabytes", "shared-bytes", "object-bytes", "block-bytes", "zones-hours"


PRICED: Final[dict[str, Billed]] = {
    "aws:eks/cluster:Cluster": Billed("cloud-control-plane", "hours"),
    "azure-native:containerservice:ManagedCluster": Billed("cloud-control-plane", "hours"),
    "gcp:container/cluster:Cluster": Billed("cloud-control-plane", "hours"),
    "aws:ec2/natGateway:NatGateway": Billed("cloud-nat-gateway", "hours"),
    "azure-native:network:NatGateway": Billed("cloud-nat-gateway", "hours"),
    "gcp:compute/routerNat:RouterNat": Billed("cloud-nat-gateway", "hours"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Billed("cloud-endpoint", "zones-hours"),
    "azure-native:network:PrivateEndpoint": Billed("cloud-endpoint", "hours"),
    "kubernetes:core/v1:Service": Billed("cloud-load-balancer", "hours"),
    "aws:kms/key:Key": Billed("cloud-key", "months"),
    "azure-native:keyvault:Key": Billed("cloud-key", "months"),
    "gcp:kms/cryptoKey:CryptoKey": Billed("cloud-key", "months"),
    "aws:efs/fileSystem:FileSystem": Billed("cloud-files", "shared-bytes"),
    "azure-native:storage:FileShare": Billed("cloud-files", "share-gigabytes"),
    "gcp:filestore/instance:Instance": Billed("cloud-files", "share-gigabytes"),
    "aws:s3/bucket:Bucket": Billed("cloud-object", "object-bytes"),
    "azure-native:storage:BlobContainer": Billed("cloud-object", "object-bytes"),
    "gcp:storage/bucket:Bucket": Billed("cloud-object", "object-bytes"),
    "kubernetes:storage.k8s.io/v1:StorageClass": Billed("cloud-block", "block-bytes"),
    "azure-native:containerregistry:Registry": Billed("cloud-registry", "months"),
}
# Nodes are priced by their instance type.
NODES: Final = frozenset(
    {
        "aws:eks/nodeGroup:NodeGroup",
        "azure-native:containerservice:ManagedCluster",
        "azure-native:containerservice:AgentPool",
        "gcp:container/nodePool:NodePool",
    }
)
# Billed by what happens there, which nobody knows before: requests, entries of logs, pushed images, passing traffic.
BY_USE: Final = frozenset(
    {
        *("aws:cloudtrail/trail:Trail", "aws:cloudwatch/logGroup:LogGroup", "aws:ecr/repository:Repository"),
        *("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream", "aws:ec2/flowLog:FlowLog"),
        *("azure-native:operationalinsights:Workspace", "azure-native:monitor:DiagnosticSetting"),
        *("azure-native:keyvault:Vault", "azure-native:storage:StorageAccount"),
        *("azure-native:privatedns:PrivateZone", "azure-native:network:PublicIPAddress", "aws:ec2/eip:Eip"),
        *("gcp:artifactregistry/repository:Repository", "gcp:logging/projectBucketConfig:ProjectBucketConfig"),
        *("gcp:logging/projectSink:ProjectSink", "gcp:projects/iAMAuditConfig:IAMAuditConfig"),
    }
)
# Nothing is billed for these: names, rules, rights, settings, and what is billed through another resource.
FREE: Final = frozenset(
    {
        *("aws:budgets/budget:Budget", "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"),
        *("aws:costexplorer/costAllocationTag:CostAllocationTag", "aws:efs/mountTarget:MountTarget"),
        *("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "aws:ec2/internetGateway:InternetGateway"),
        *("aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/routeTable:RouteTable", "aws:ec2/subnet:Subnet"),
        *("aws:ec2/routeTableAssociation:RouteTableAssociation", "aws:ec2/securityGroup:SecurityGroup"),
        *("aws:ec2/vpc:Vpc", "aws:eks/addon:Addon", "aws:eks/podIdentityAssociation:PodIdentityAssociation"),
        *("aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy", "aws:kms/alias:Alias"),
        *("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:s3/bucketPolicy:BucketPolicy"),
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        *("azure-native:authorization:ManagementLockByScope", "azure-native:authorization:RoleAssignment"),
        *("azure-native:compute:DiskEncryptionSet", "azure-native:consumption:Budget"),
        "azure-native:managedidentity:FederatedIdentityCredential",
        *("azure-native:managedidentity:UserAssignedIdentity", "azure-native:network:NetworkSecurityGroup"),
        *("azure-native:network:PrivateDnsZoneGroup", "azure-native:network:Subnet"),
        *("azure-native:network:VirtualNetwork", "azure-native:privatedns:VirtualNetworkLink"),
        *("azure-native:resources:ResourceGroup", "azure-native:storage:BlobServiceProperties"),
        *("gcp:billing/budget:Budget", "gcp:compute/firewall:Firewall", "gcp:compute/globalAddress:GlobalAddress"),
        *("gcp:compute/network:Network", "gcp:compute/router:Router", "gcp:compute/subnetwork:Subnetwork"),
        *("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "gcp:kms/keyRing:KeyRing"),
        *("gcp:monitoring/notificationChannel:NotificationChannel", "gcp:projects/iAMMember:IAMMember"),
        *("gcp:serviceaccount/account:Account", "gcp:serviceaccount/iAMMember:IAMMember"),
        *("gcp:servicenetworking/connection:Connection", "gcp:storage/bucketIAMMember:BucketIAMMember"),
        *("kubernetes:apps/v1:DaemonSet", "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:ServiceAccount"),
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    }
)
