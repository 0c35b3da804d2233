"""GKE with a private API endpoint, and all that it stands on."""

from __future__ import annotations

import json

import pulumi
import pulumi_gcp as gcp
import pulumi_gcp.container as container
import pulumi_gcp.projects as projects
import pulumi_gcp.serviceaccount as serviceaccount
import pulumi_gcp.storage as storage

from stacks.clusters.gcp.keys import Keys
from stacks.clusters.gcp.network import PODS, SERVICES, Network
from stacks.clusters.gcp.nodes import NodePools
from stacks.clusters.gcp.storage import Stores
from stacks.clusters.gcp.watch import Watch
from stacks.clusters.rented import (
    WORKLOAD_ACCOUNT,
    WORKLOAD_BUCKETS,
    WORKLOAD_NAMESPACE,
    RentedArgs,
    Runtime,
    Storage,
)

INTERNAL = {"networking.gke.io/load-balancer-type": "Internal"}
LOGS = ("SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER")
NODE_ROLES = ("roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader")


class GoogleCluster(pulumi.ComponentResource):
    """The plan as a cluster on Google Cloud. Outputs `endpoint`, and `kubeconfig` as a secret without any key in it."""

    endpoint: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    runtime: Runtime

    def __init__(self, name: str, args: RentedArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:gcp:Cluster", name, None, opts)
        self._args, self._inside = args, pulumi.ResourceOptions(parent=self)
        found = gcp.organizations.get_project_output(opts=pulumi.InvokeOutputOptions(parent=self))
        # Asked without a name, Google answers with the project of the stack's configuration.
        project = found.project_id.apply(str)
        network = Network(name, args, self._inside)
        keys = Keys(name, args, found.number, self._inside)
        stores = Stores(name, args, project, network, keys, self._inside)
        nodes, granted = self._node_account(name, project)
        self.cluster = self._cluster(name, project, network, keys, nodes)
        NodePools(name, args, self.cluster, nodes, keys.key_id, [*granted, *keys.may_use], self._inside)
        self._workload(project, stores)
        Watch(
            name,
            args,
            project,
            found.billing_account,
            stores.buckets["logs"],
            keys.key_id,
            list(keys.may_use),
            self._inside,
        )
        block = {"type": "pd-balanced", "replication-type": "regional-pd", "disk-encryption-kms-key": keys.key_id}
        files = {"tier": "regional", "network": network.network_id, "instance-encryption-kms-key": keys.key_id}
        self.runtime = Runtime(
            Storage("pd.csi.storage.gke.io", block, "filestore.csi.storage.gke.io", files),
            INTERNAL,
            device_plugin=False,
            autoscaler=False,
        )
        self.endpoint = pulumi.Output.concat("https://", self.cluster.endpoint)
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(self.endpoint, self.cluster.master_auth).apply(
                lambda given: kubeconfig(given[0], given[1]["cluster_ca_certificate"] or "", args.name)
            )
        )
        self.register_outputs({"endpoint": self.endpoint, "kubeconfig": self.kubeconfig})

    def _cluster(
        self,
        name: str,
        project: pulumi.Output[str],
        network: Network,
        keys: Keys,
        nodes: serviceaccount.Account,
    ) -> container.Cluster:
        args = self._args
        return container.Cluster(
            name,
            name=args.name,
            location=args.plan.region,  # a control plane in each zone
            node_locations=list(args.zones),
            min_master_version=args.kubernetes_version or None,
            release_channel=container.ClusterReleaseChannelArgs(channel="REGULAR"),
            # Google makes a first pool and removes it: the plan's pools are resources of their own.
            remove_default_node_pool=True,
            initial_node_count=1,
            node_config=container.ClusterNodeConfigArgs(
                service_account=nodes.email,
                boot_disk_kms_key=keys.key_id,
                shielded_instance_config=container.ClusterNodeConfigShieldedInstanceConfigArgs(
                    enable_secure_boot=True, enable_integrity_monitoring=True
                ),
            ),
            network=network.network_id,
            subnetwork=network.subnet_id,
            networking_mode="VPC_NATIVE",
            datapath_provider="ADVANCED_DATAPATH",
            enable_intranode_visibility=True,
            enable_l4_ilb_subsetting=True,
            ip_allocation_policy=container.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name=PODS, services_secondary_range_name=SERVICES
            ),
            private_cluster_config=container.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True,
                enable_private_endpoint=True,
                master_ipv4_cidr_block=str(next(network.control_plane_range.subnets(new_prefix=28))),
                master_global_access_config=container.ClusterPrivateClusterConfigMasterGlobalAccessConfigArgs(
                    enabled=False
                ),
            ),
            master_authorized_networks_config=container.ClusterMasterAuthorizedNetworksConfigArgs(
                cidr_blocks=[
                    container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(
                        cidr_block=str(args.addresses), display_name="the site's own network"
                    )
                ],
                gcp_public_cidrs_access_enabled=False,
            ),
            master_auth=container.ClusterMasterAuthArgs(
                client_certificate_config=container.ClusterMasterAuthClientCertificateConfigArgs(
                    issue_client_certificate=False
                )
            ),
            database_encryption=container.ClusterDatabaseEncryptionArgs(state="ENCRYPTED", key_name=keys.key_id),
            workload_identity_config=container.ClusterWorkloadIdentityConfigArgs(
                workload_pool=pulumi.Output.concat(project, ".svc.id.goog")
            ),
            enable_shielded_nodes=True,
            enable_legacy_abac=False,
            logging_config=container.ClusterLoggingConfigArgs(enable_components=list(LOGS)),
            monitoring_config=container.ClusterMonitoringConfigArgs(
                enable_components=["SYSTEM_COMPONENTS", "DCGM"],
                managed_prometheus=container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=True),
            ),
            addons_config=container.ClusterAddonsConfigArgs(
                gce_persistent_disk_csi_driver_config=container.ClusterAddonsConfigGcePersistentDiskCsiDriverConfigArgs(
                    enabled=True
                ),
                gcp_filestore_csi_driver_config=container.ClusterAddonsConfigGcpFilestoreCsiDriverConfigArgs(
                    enabled=True
                ),
                gcs_fuse_csi_driver_config=container.ClusterAddonsConfigGcsFuseCsiDriverConfigArgs(enabled=True),
            ),
            cost_management_config=container.ClusterCostManagementConfigArgs(enabled=True),
            security_posture_config=container.ClusterSecurityPostureConfigArgs(
                mode="BASIC", vulnerability_mode="VULNERABILITY_BASIC"
            ),
            deletion_protection=True,
            resource_labels=args.labels,
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=list(keys.may_use)),
        )

    def _node_account(
        self, name: str, project: pulumi.Output[str]
    ) -> tuple[serviceaccount.Account, list[pulumi.Resource]]:
        account = serviceaccount.Account(
            f"{name}-nodes", account_id=f"{self._args.name}-nodes"[:30], display_name="nodes", opts=self._inside
        )
        granted: list[pulumi.Resource] = [
            projects.IAMMember(
                f"{name}-nodes-{role.rsplit('.', 1)[-1]}",
                project=project,
                role=role,
                member=pulumi.Output.concat("serviceAccount:", account.email),
                opts=self._inside,
            )
            for role in NODE_ROLES
        ]
        return account, granted

    def _workload(self, project: pulumi.Output[str], stores: Stores) -> None:
        """Give training and scoring an account of their own, which only their pods can take."""
        account = serviceaccount.Account(
            WORKLOAD_ACCOUNT,
            account_id=f"{self._args.name}-{WORKLOAD_ACCOUNT}"[:30],
            display_name="training and scoring",
            opts=self._inside,
        )
        serviceaccount.IAMMember(
            WORKLOAD_ACCOUNT,
            service_account_id=account.name,
            role="roles/iam.workloadIdentityUser",
            member=pulumi.Output.concat(
                "serviceAccount:", project, f".svc.id.goog[{WORKLOAD_NAMESPACE}/{WORKLOAD_ACCOUNT}]"
            ),
            # The pool of identities is made with the cluster.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.cluster]),
        )
        for bucket in WORKLOAD_BUCKETS:
            storage.BucketIAMMember(
                f"{WORKLOAD_ACCOUNT}-{bucket}",
                bucket=stores.buckets[bucket].name,
                role="roles/storage.objectUser",
                member=pulumi.Output.concat("serviceAccount:", account.email),
                opts=self._inside,
            )


def kubeconfig(endpoint: str, authority: str, name: str) -> str:
    """Return a kubeconfig that asks Google for a token each time."""
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "gke-gcloud-auth-plugin",
            "provideClusterInfo": True,
            "interactiveMode": "IfAvailable",
        }
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": user}],
        }
    )
