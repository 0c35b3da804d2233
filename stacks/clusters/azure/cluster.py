"""AKS with a private API endpoint, and all that it stands on."""

from __future__ import annotations

import base64
import json

import pulumi
from pulumi_azure_native import authorization, containerservice, managedidentity, resources
from ruamel.yaml import YAML

from stacks.clusters.azure.identities import Place, grant, identity
from stacks.clusters.azure.keys import Keys
from stacks.clusters.azure.network import Network
from stacks.clusters.azure.nodes import NodePools, pool_name, profile, system_pool
from stacks.clusters.azure.storage import Stores
from stacks.clusters.azure.watch import Watch
from stacks.clusters.rented import (
    WORKLOAD_ACCOUNT,
    WORKLOAD_BUCKETS,
    WORKLOAD_NAMESPACE,
    RentedArgs,
    Runtime,
    Storage,
)

INTERNAL = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
# The application that AKS answers to in every tenant (kubelogin's documentation).
SERVER_APPLICATION = "6dae42f8-4368-4678-94ff-3960e28e3630"


class AzureCluster(pulumi.ComponentResource):
    """The plan as a cluster on Azure. Outputs `endpoint`, and `kubeconfig` as a secret without any key in it."""

    endpoint: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    runtime: Runtime

    def __init__(self, name: str, args: RentedArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:azure:Cluster", name, None, opts)
        self._args, self._inside = args, pulumi.ResourceOptions(parent=self)
        group = resources.ResourceGroup(
            name,
            resource_group_name=f"portolan-{args.name}",
            location=args.plan.region,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        client = authorization.get_client_config_output(opts=pulumi.InvokeOutputOptions(parent=self))
        place = Place(group.name, args.plan.region, args.tags, client.subscription_id, client.tenant_id)
        network = Network(name, args, place, self._inside)
        keys = Keys(name, place, network, self._inside)
        stores = Stores(name, args, place, network, keys, self._inside)
        self.cluster = self._cluster(name, place, network, keys, stores)
        NodePools(name, args, place, self.cluster, network.node_subnet_id, self._inside)
        self._workload(place, stores)
        Watch(
            name,
            args,
            place,
            {
                "cluster": self.cluster.id,
                "vault": keys.vault_id,
                "objects": pulumi.Output.concat(stores.account_id, "/blobServices/default"),
                "registry": stores.registry_id,
            },
            stores.account_id,
            self._inside,
        )
        block = {"skuName": "Premium_ZRS", "diskEncryptionSetID": keys.disk_encryption_set_id}
        files = {
            "protocol": "nfs",
            "encryptInTransit": "true",
            "resourceGroup": place.group,
            "storageAccount": stores.files_account,
            "shareName": stores.share,
        }
        # AKS scales its pools; it installs the driver, but not the device plugin.
        self.runtime = Runtime(
            Storage("disk.csi.azure.com", block, "file.csi.azure.com", files),
            INTERNAL,
            device_plugin=True,
            autoscaler=False,
        )
        self.endpoint = pulumi.Output.concat("https://", self.cluster.private_fqdn, ":443")
        said = containerservice.list_managed_cluster_user_credentials_output(
            resource_group_name=place.group,
            resource_name=self.cluster.name,
            format="exec",
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(said.kubeconfigs, place.tenant).apply(
                lambda found: kubeconfig(found[0][0]["value"], args.name, found[1])
            )
        )
        self.register_outputs({"endpoint": self.endpoint, "kubeconfig": self.kubeconfig})

    def _cluster(
        self, name: str, place: Place, network: Network, keys: Keys, stores: Stores
    ) -> containerservice.ManagedCluster:
        args = self._args
        control = identity(f"{name}-control-plane", place, self._inside)
        kubelet = identity(f"{name}-nodes", place, self._inside)
        granted = [
            grant(f"{name}-network", place, control, "Network Contributor", network.network_id, self._inside),
            grant(f"{name}-key", place, control, "Key Vault Crypto User", keys.vault_id, self._inside),
            grant(f"{name}-vault-link", place, control, "Key Vault Contributor", keys.vault_id, self._inside),
            grant(f"{name}-kubelet", place, control, "Managed Identity Operator", kubelet.id, self._inside),
            grant(f"{name}-images", place, kubelet, "AcrPull", stores.registry_id, self._inside),
        ]
        first = system_pool(args)
        service_address = str(next(iter(args.services.hosts())) + 9)
        return containerservice.ManagedCluster(
            name,
            resource_group_name=place.group,
            resource_name_=args.name,
            location=place.region,
            dns_prefix=args.name,
            kubernetes_version=args.kubernetes_version or None,
            sku=containerservice.ManagedClusterSKUArgs(
                name=containerservice.ManagedClusterSKUName.BASE,
                tier=containerservice.ManagedClusterSKUTier.STANDARD,
            ),
            identity=containerservice.ManagedClusterIdentityArgs(
                type=containerservice.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[control.id]
            ),
            identity_profile={
                "kubeletidentity": containerservice.UserAssignedIdentityArgs(
                    resource_id=kubelet.id, client_id=kubelet.client_id, object_id=kubelet.principal_id
                )
            },
            agent_pool_profiles=[
                containerservice.ManagedClusterAgentPoolProfileArgs(
                    name=pool_name(first),
                    mode=containerservice.AgentPoolMode.SYSTEM,
                    tags=place.tags,
                    **profile(first, args.zones, network.node_subnet_id),
                )
            ],
            api_server_access_profile=containerservice.ManagedClusterAPIServerAccessProfileArgs(
                enable_private_cluster=True,
                enable_private_cluster_public_fqdn=False,
                enable_vnet_integration=True,
                subnet_id=network.api_subnet_id,
                private_dns_zone="system",
                disable_run_command=True,
            ),
            public_network_access=containerservice.PublicNetworkAccess.DISABLED,
            aad_profile=containerservice.ManagedClusterAADProfileArgs(
                managed=True, enable_azure_rbac=True, tenant_id=place.tenant
            ),
            disable_local_accounts=True,
            enable_rbac=True,
            network_profile=containerservice.ContainerServiceNetworkProfileArgs(
                network_plugin=containerservice.NetworkPlugin.AZURE,
                network_plugin_mode=containerservice.NetworkPluginMode.OVERLAY,
                network_dataplane=containerservice.NetworkDataplane.CILIUM,
                network_policy=containerservice.NetworkPolicy.CILIUM,
                load_balancer_sku=containerservice.LoadBalancerSku.STANDARD,
                outbound_type=containerservice.OutboundType.USER_ASSIGNED_NAT_GATEWAY,
                pod_cidr=str(args.pods),
                service_cidr=str(args.services),
                dns_service_ip=service_address,
            ),
            security_profile=containerservice.ManagedClusterSecurityProfileArgs(
                azure_key_vault_kms=containerservice.AzureKeyVaultKmsArgs(
                    enabled=True,
                    key_id=keys.key_version_uri,
                    key_vault_network_access=containerservice.KeyVaultNetworkAccessTypes.PRIVATE,
                    key_vault_resource_id=keys.vault_id,
                ),
                workload_identity=containerservice.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
            ),
            oidc_issuer_profile=containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            storage_profile=containerservice.ManagedClusterStorageProfileArgs(
                blob_csi_driver=containerservice.ManagedClusterStorageProfileBlobCSIDriverArgs(enabled=True),
                disk_csi_driver=containerservice.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=True),
                file_csi_driver=containerservice.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=True),
            ),
            disk_encryption_set_id=keys.disk_encryption_set_id,
            auto_scaler_profile=containerservice.ManagedClusterPropertiesAutoScalerProfileArgs(
                expander=containerservice.Expander.LEAST_WASTE
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, depends_on=granted, ignore_changes=["agentPoolProfiles[*].count"]
            ),
        )

    def _workload(self, place: Place, stores: Stores) -> None:
        """Give training and scoring an identity of their own, known by the token that the cluster gives their pods."""
        who = identity(WORKLOAD_ACCOUNT, place, self._inside)
        issuer = self.cluster.oidc_issuer_profile.apply(lambda found: found.issuer_url if found else "")
        managedidentity.FederatedIdentityCredential(
            WORKLOAD_ACCOUNT,
            resource_group_name=place.group,
            resource_name_=who.name,
            audiences=["api://AzureADTokenExchange"],
            issuer=issuer,
            subject=f"system:serviceaccount:{WORKLOAD_NAMESPACE}:{WORKLOAD_ACCOUNT}",
            opts=self._inside,
        )
        for bucket in WORKLOAD_BUCKETS:
            grant(
                f"{WORKLOAD_ACCOUNT}-{bucket}",
                place,
                who,
                "Storage Blob Data Contributor",
                stores.containers[bucket].id,
                self._inside,
            )


def kubeconfig(said: str, name: str, tenant: str) -> str:
    """Return a kubeconfig that asks Azure for a token each time, from the one that AKS gives."""
    found = YAML(typ="safe").load(base64.b64decode(said).decode())
    cluster = found["clusters"][0]["cluster"]
    command = ["get-token", "--login", "azurecli", "--server-id", SERVER_APPLICATION, "--tenant-id", tenant]
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": command}}
    user["exec"]["interactiveMode"] = "IfAvailable"
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": user}],
        }
    )
