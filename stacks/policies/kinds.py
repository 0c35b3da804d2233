"""What the rules know of each provider's resources: data, one line a thing that is asked."""

from __future__ import annotations

from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A property that must have a value. `value` None: any that is set."""

    path: str
    value: Any
    remedy: str


ACCOUNT, CONTAINER = "azure-native:storage:StorageAccount", "azure-native:storage:BlobContainer"
VAULT, REGISTRY = "azure-native:keyvault:Vault", "azure-native:containerregistry:Registry"
CLUSTER_AZURE = "azure-native:containerservice:ManagedCluster"
BUCKET_AWS, BUCKET_GCP = "aws:s3/bucket:Bucket", "gcp:storage/bucket:Bucket"
CLUSTER_AWS, CLUSTER_GCP = "aws:eks/cluster:Cluster", "gcp:container/cluster:Cluster"
FILES_GCP = "gcp:filestore/instance:Instance"

ENCRYPTED: dict[str, tuple[Asked, ...]] = {
    "aws:ebs/volume:Volume": (Asked("encrypted", True, "encrypted=True"),),
    "aws:efs/fileSystem:FileSystem": (Asked("encrypted", True, "encrypted=True"),),
    CLUSTER_AWS: (Asked("encryptionConfig", None, "encryption_config with a KMS key"),),
    "aws:ecr/repository:Repository": (
        Asked("encryptionConfigurations", None, "encryption_configurations of type KMS"),
    ),
    "aws:cloudwatch/logGroup:LogGroup": (Asked("kmsKeyId", None, "kms_key_id"),),
    "aws:sns/topic:Topic": (Asked("kmsMasterKeyId", None, "kms_master_key_id"),),
    "aws:cloudtrail/trail:Trail": (Asked("kmsKeyId", None, "kms_key_id"),),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": (
        Asked("serverSideEncryption.enabled", True, "server_side_encryption with a KMS key"),
    ),
    ACCOUNT: (Asked("encryption.keySource", "Microsoft.Keyvault", "encryption with a key of the vault"),),
    REGISTRY: (Asked("encryption.status", "enabled", "encryption with a key of the vault"),),
    CLUSTER_AZURE: (
        Asked("diskEncryptionSetID", None, "disk_encryption_set_id"),
        Asked("securityProfile.azureKeyVaultKms.enabled", True, "security_profile.azure_key_vault_kms"),
    ),
    "azure-native:containerservice:AgentPool": (
        Asked("enableEncryptionAtHost", True, "enable_encryption_at_host=True"),
    ),
    CLUSTER_GCP: (Asked("databaseEncryption.state", "ENCRYPTED", "database_encryption with a KMS key"),),
    "gcp:container/nodePool:NodePool": (Asked("nodeConfig.bootDiskKmsKey", None, "node_config.boot_disk_kms_key"),),
    BUCKET_GCP: (Asked("encryption.defaultKmsKeyName", None, "encryption with a KMS key"),),
    FILES_GCP: (Asked("kmsKeyName", None, "kms_key_name"),),
    "gcp:artifactregistry/repository:Repository": (Asked("kmsKeyName", None, "kms_key_name"),),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": (Asked("cmekSettings.kmsKeyName", None, "cmek_settings"),),
}
# Which parameter of a storage class names the key, by the driver that makes the volumes.
VOLUME_KEYS = {
    "ebs.csi.aws.com": "kmsKeyId",
    "disk.csi.azure.com": "diskEncryptionSetID",
    "pd.csi.storage.gke.io": "disk-encryption-kms-key",
    "filestore.csi.storage.gke.io": "instance-encryption-kms-key",
}
PRIVATE: dict[str, tuple[Asked, ...]] = {
    CLUSTER_AWS: (
        Asked("vpcConfig.endpointPublicAccess", False, "endpoint_public_access=False"),
        Asked("vpcConfig.endpointPrivateAccess", True, "endpoint_private_access=True"),
    ),
    CLUSTER_AZURE: (
        Asked("apiServerAccessProfile.enablePrivateCluster", True, "enable_private_cluster=True"),
        Asked("apiServerAccessProfile.enablePrivateClusterPublicFQDN", False, "no name that everybody can resolve"),
    ),
    CLUSTER_GCP: (
        Asked("privateClusterConfig.enablePrivateEndpoint", True, "private_cluster_config.enable_private_endpoint"),
        Asked("privateClusterConfig.enablePrivateNodes", True, "private_cluster_config.enable_private_nodes"),
    ),
    ACCOUNT: (Asked("publicNetworkAccess", "Disabled", "public_network_access disabled and a private endpoint"),),
    VAULT: (Asked("properties.publicNetworkAccess", "Disabled", "public_network_access disabled"),),
    REGISTRY: (Asked("publicNetworkAccess", "Disabled", "public_network_access disabled and a private endpoint"),),
}
CLOSED: dict[str, tuple[Asked, ...]] = {
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": tuple(
        Asked(one, True, f"{one} to true")
        for one in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ),
    ACCOUNT: (Asked("allowBlobPublicAccess", False, "allow_blob_public_access=False"),),
    CONTAINER: (Asked("publicAccess", "None", "public_access NONE"),),
    BUCKET_GCP: (
        Asked("publicAccessPrevention", "enforced", 'public_access_prevention="enforced"'),
        Asked("uniformBucketLevelAccess", True, "uniform_bucket_level_access=True"),
    ),
}
TRANSPORT: dict[str, tuple[Asked, ...]] = {
    ACCOUNT: (
        Asked("enableHttpsTrafficOnly", True, "enable_https_traffic_only=True"),
        Asked("minimumTlsVersion", "TLS1_2", "minimum_tls_version TLS1_2"),
    ),
    "azure-native:containerregistry:Registry": (Asked("anonymousPullEnabled", False, "anonymous_pull_enabled=False"),),
}
KEYLESS: dict[str, tuple[Asked, ...]] = {
    ACCOUNT: (Asked("allowSharedKeyAccess", False, "allow_shared_key_access=False"),),
    REGISTRY: (Asked("adminUserEnabled", False, "admin_user_enabled=False"),),
    CLUSTER_AZURE: (Asked("disableLocalAccounts", True, "disable_local_accounts=True"),),
}
STATIC_KEYS = frozenset(
    {
        "aws:iam/accessKey:AccessKey",
        "gcp:serviceaccount/key:Key",
        "gcp:storage/hmacKey:HmacKey",
        "azure-native:storage:StorageAccountKey",
    }
)
# What holds data or without which data cannot be read: removed only when a person has lifted the protection.
KEPT = frozenset(
    {
        *(BUCKET_AWS, "aws:efs/fileSystem:FileSystem", "aws:kms/key:Key", CLUSTER_AWS),
        *(ACCOUNT, CONTAINER, VAULT, "azure-native:keyvault:Key", "azure-native:storage:FileShare", CLUSTER_AZURE),
        *(BUCKET_GCP, FILES_GCP, "gcp:kms/keyRing:KeyRing", "gcp:kms/cryptoKey:CryptoKey", CLUSTER_GCP),
    }
)
DELETION: dict[str, tuple[Asked, ...]] = {
    CLUSTER_AWS: (Asked("deletionProtection", True, "deletion_protection=True"),),
    CLUSTER_GCP: (Asked("deletionProtection", True, "deletion_protection=True"),),
    FILES_GCP: (Asked("deletionProtectionEnabled", True, "deletion_protection_enabled=True"),),
    VAULT: (Asked("properties.enablePurgeProtection", True, "enable_purge_protection=True"),),
}
# Where a resource keeps its tags, for what appears on a bill; others are judged where they have tags.
BILLED = {
    "aws:eks/cluster:Cluster": "tags",
    "aws:eks/nodeGroup:NodeGroup": "tags",
    "aws:s3/bucket:Bucket": "tags",
    "aws:efs/fileSystem:FileSystem": "tags",
    "aws:ec2/natGateway:NatGateway": "tags",
    CLUSTER_AZURE: "tags",
    "azure-native:containerservice:AgentPool": "tags",
    ACCOUNT: "tags",
    "azure-native:network:NatGateway": "tags",
    CLUSTER_GCP: "resourceLabels",
    "gcp:container/nodePool:NodePool": "nodeConfig.resourceLabels",
    BUCKET_GCP: "labels",
    FILES_GCP: "labels",
}
# Names that are the world's and hold no data: their location is "global" by their nature.
NOWHERE = frozenset({"azure-native:privatedns:PrivateZone", "azure-native:privatedns:VirtualNetworkLink"})
INTERNAL_SERVICE = {
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
    "networking.gke.io/load-balancer-type": "Internal",
}
