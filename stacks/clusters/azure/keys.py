"""The site's own key: for disks, secrets, blobs, files and images; it turns over every year."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import authorization, compute, keyvault

from stacks.clusters.azure.identities import Place, grant, identity
from stacks.clusters.azure.network import Network

KEEP_DAYS = 90


class Keys(pulumi.ComponentResource):
    """The vault and its key. Outputs `vault_id`, `vault_uri`, `key_uri`, `disk_encryption_set_id`."""

    def __init__(self, name: str, place: Place, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:azure:Keys", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=True)
        vault = keyvault.Vault(
            name,
            resource_group_name=place.group,
            location=place.region,
            properties=keyvault.VaultPropertiesArgs(
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.PREMIUM),
                tenant_id=place.tenant,
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=KEEP_DAYS,
                enable_purge_protection=True,
                public_network_access="Disabled",
                network_acls=keyvault.NetworkRuleSetArgs(
                    bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
                    default_action=keyvault.NetworkRuleAction.DENY,
                ),
            ),
            tags=place.tags,
            opts=kept,
        )
        key = keyvault.Key(
            name,
            resource_group_name=place.group,
            vault_name=vault.name,
            properties=keyvault.KeyPropertiesArgs(
                kty=keyvault.JsonWebKeyType.RS_A_HSM,
                key_size=3072,
                rotation_policy=keyvault.RotationPolicyArgs(
                    lifetime_actions=[
                        keyvault.LifetimeActionArgs(
                            action=keyvault.ActionArgs(type=keyvault.KeyRotationPolicyActionType.ROTATE),
                            trigger=keyvault.TriggerArgs(time_after_create="P1Y"),
                        )
                    ]
                ),
            ),
            tags=place.tags,
            opts=kept,
        )
        authorization.ManagementLockByScope(
            f"{name}-keys",
            scope=vault.id,
            level=authorization.LockLevel.CAN_NOT_DELETE,
            notes="Without its key the site's data cannot be read",
            opts=inside,
        )
        network.reach(f"{name}-vault", "vault", vault.id)
        # One identity may wrap and unwrap for disks, storage and images; it can do nothing else.
        self.user = identity(f"{name}-data", place, inside)
        self.may_use = grant(
            f"{name}-data-key", place, self.user, "Key Vault Crypto Service Encryption User", vault.id, inside
        )
        disks = compute.DiskEncryptionSet(
            name,
            resource_group_name=place.group,
            location=place.region,
            encryption_type=compute.DiskEncryptionSetType.ENCRYPTION_AT_REST_WITH_PLATFORM_AND_CUSTOMER_KEYS,
            active_key=compute.KeyForDiskEncryptionSetArgs(key_url=key.key_uri_with_version),
            identity=compute.EncryptionSetIdentityArgs(
                type=compute.DiskEncryptionSetIdentityType.USER_ASSIGNED, user_assigned_identities=[self.user.id]
            ),
            rotation_to_latest_key_version_enabled=True,
            tags=place.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.may_use]),
        )
        self.vault_id, self.vault_uri, self.key_name = vault.id, vault.properties.vault_uri, key.name
        self.key_uri, self.key_version_uri = key.key_uri, key.key_uri_with_version
        self.disk_encryption_set_id = disks.id
        self.register_outputs({"vault_id": self.vault_id, "disk_encryption_set_id": self.disk_encryption_set_id})
