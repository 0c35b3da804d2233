"""Objects, shared files and the private registry, with the site's own key; blocks come from the disk driver."""

from __future__ import annotations

import math

import pulumi
from pulumi_azure_native import authorization, containerregistry, storage

from stacks.clusters.azure.identities import Place
from stacks.clusters.azure.keys import Keys
from stacks.clusters.azure.network import Network
from stacks.clusters.rented import BUCKETS, RETENTION_DAYS, RentedArgs

GIBIBYTE = 2**30
SMALLEST_SHARE, LARGEST_SHARE = 100, 102_400  # GiB of a premium share (Azure Files scalability targets)
UNDELETE_DAYS = 30


class Stores(pulumi.ComponentResource):
    """Blobs, a shared file system, the registry. Outputs `account_id`, `registry_id`, `share`."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        place: Place,
        network: Network,
        keys: Keys,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:azure:Stores", name, None, opts)
        self._place, self._keys, self._inside = place, keys, pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=True, depends_on=[keys.may_use])
        blobs = self._account("objects", storage.Kind.STORAGE_V2, storage.SkuName.STANDARD_ZRS)
        storage.BlobServiceProperties(
            "objects",
            resource_group_name=place.group,
            account_name=blobs.name,
            blob_services_name="default",
            is_versioning_enabled=True,
            delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=UNDELETE_DAYS),
            container_delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=UNDELETE_DAYS),
            opts=self._inside,
        )
        self.containers = {
            one: storage.BlobContainer(
                one,
                resource_group_name=place.group,
                account_name=blobs.name,
                container_name=one,
                public_access=storage.PublicAccess.NONE,
                opts=pulumi.ResourceOptions(parent=self, protect=True),
            )
            for one in BUCKETS
        }
        files = self._account("files", storage.Kind.FILE_STORAGE, storage.SkuName.PREMIUM_ZRS)
        size = math.ceil(float(args.plan.shared_bytes) / GIBIBYTE)
        share = storage.FileShare(
            "shared",
            resource_group_name=place.group,
            account_name=files.name,
            share_name="shared",
            enabled_protocols=storage.EnabledProtocols.NFS,
            root_squash=storage.RootSquashType.NO_ROOT_SQUASH,
            share_quota=min(LARGEST_SHARE, max(SMALLEST_SHARE, size)),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        network.reach(f"{name}-objects", "blob", blobs.id)
        network.reach(f"{name}-files", "file", files.id)
        registry = self._registry(args)
        network.reach(f"{name}-registry", "registry", registry.id)
        self.account_id, self.account, self.registry_id = blobs.id, blobs.name, registry.id
        self.files_account, self.share = files.name, share.name
        self.register_outputs({"account_id": self.account_id, "registry_id": self.registry_id})

    def _account(self, name: str, kind: storage.Kind, sku: storage.SkuName) -> storage.StorageAccount:
        account = storage.StorageAccount(
            name,
            resource_group_name=self._place.group,
            location=self._place.region,
            kind=kind,
            sku=storage.SkuArgs(name=sku),
            allow_blob_public_access=False,
            allow_shared_key_access=False,
            allow_cross_tenant_replication=False,
            # Files by NFS are encrypted on the way too: the driver mounts them through TLS.
            enable_https_traffic_only=True,
            minimum_tls_version=storage.MinimumTlsVersion.TLS1_2,
            public_network_access=storage.PublicNetworkAccess.DISABLED,
            network_rule_set=storage.NetworkRuleSetArgs(
                bypass=storage.Bypass.AZURE_SERVICES, default_action=storage.DefaultAction.DENY
            ),
            identity=storage.IdentityArgs(
                type=storage.IdentityType.USER_ASSIGNED, user_assigned_identities=[self._keys.user.id]
            ),
            encryption=storage.EncryptionArgs(
                key_source=storage.KeySource.MICROSOFT_KEYVAULT,
                key_vault_properties=storage.KeyVaultPropertiesArgs(
                    key_name=self._keys.key_name, key_vault_uri=self._keys.vault_uri
                ),
                encryption_identity=storage.EncryptionIdentityArgs(
                    encryption_user_assigned_identity=self._keys.user.id
                ),
                require_infrastructure_encryption=True,
            ),
            tags=self._place.tags,
            opts=self._kept,
        )
        authorization.ManagementLockByScope(
            name,
            scope=account.id,
            level=authorization.LockLevel.CAN_NOT_DELETE,
            notes="Holds the site's data",
            opts=self._inside,
        )
        return account

    def _registry(self, args: RentedArgs) -> containerregistry.Registry:
        return containerregistry.Registry(
            args.name.replace("-", ""),
            resource_group_name=self._place.group,
            location=self._place.region,
            sku=containerregistry.SkuArgs(name=containerregistry.SkuName.PREMIUM),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access=containerregistry.PublicNetworkAccess.DISABLED,
            zone_redundancy=containerregistry.ZoneRedundancy.ENABLED,
            identity=containerregistry.IdentityPropertiesArgs(
                type=containerregistry.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=self._keys.user.id.apply(
                    lambda one: {one: containerregistry.UserIdentityPropertiesArgs()}
                ),
            ),
            encryption=containerregistry.EncryptionPropertyArgs(
                status=containerregistry.EncryptionStatus.ENABLED,
                key_vault_properties=containerregistry.KeyVaultPropertiesArgs(
                    identity=self._keys.user.client_id, key_identifier=self._keys.key_uri
                ),
            ),
            policies=containerregistry.PoliciesArgs(
                retention_policy=containerregistry.RetentionPolicyArgs(
                    status=containerregistry.PolicyStatus.ENABLED, days=RETENTION_DAYS
                )
            ),
            tags=self._place.tags,
            opts=self._kept,
        )
