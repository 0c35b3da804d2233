"""Objects, shared files and the private registry, with the site's own key; blocks come from the disk driver."""

from __future__ import annotations

import math

import pulumi
import pulumi_gcp.artifactregistry as artifactregistry
import pulumi_gcp.filestore as filestore
import pulumi_gcp.storage as storage

from stacks.clusters.gcp.keys import Keys
from stacks.clusters.gcp.network import Network
from stacks.clusters.rented import BUCKETS, RentedArgs

# A regional instance is in three zones: from 1 TiB to 100 TiB in steps of 256 GiB (Filestore, service tiers, 2025).
SMALLEST_FILES, LARGEST_FILES, FILES_STEP = 1024, 102_400, 256
UNDELETE_SECONDS = 30 * 24 * 3600


class Stores(pulumi.ComponentResource):
    """Buckets, a shared file system, repositories of images. Outputs `buckets`, `files_address`."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        project: pulumi.Output[str],
        network: Network,
        keys: Keys,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:gcp:Stores", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=True, depends_on=list(keys.may_use))
        self.buckets = {
            one: storage.Bucket(
                f"{args.name}-{one}",
                # Names of buckets are the whole world's: the project's own name comes first.
                name=pulumi.Output.concat(project, "-", args.name, "-", one),
                location=args.plan.region,
                storage_class="STANDARD",
                uniform_bucket_level_access=True,
                public_access_prevention="enforced",
                versioning=storage.BucketVersioningArgs(enabled=True),
                soft_delete_policy=storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=UNDELETE_SECONDS),
                encryption=storage.BucketEncryptionArgs(default_kms_key_name=keys.key_id),
                force_destroy=False,
                labels=args.labels,
                opts=kept,
            )
            for one in BUCKETS
        }
        wanted = math.ceil(float(args.plan.shared_bytes) / 2**30 / FILES_STEP) * FILES_STEP
        files = filestore.Instance(
            name,
            location=args.plan.region,
            tier="REGIONAL",
            protocol="NFS_V4_1",
            file_shares=filestore.InstanceFileSharesArgs(
                name="shared", capacity_gb=min(LARGEST_FILES, max(SMALLEST_FILES, wanted))
            ),
            networks=[
                filestore.InstanceNetworkArgs(
                    network=network.network_id,
                    modes=["MODE_IPV4"],
                    connect_mode="PRIVATE_SERVICE_ACCESS",
                    reserved_ip_range=network.files_range,
                )
            ],
            kms_key_name=keys.key_id,
            deletion_protection_enabled=True,
            deletion_protection_reason="Holds the site's data",
            labels=args.labels,
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=[*keys.may_use, network.peering]),
        )
        artifactregistry.Repository(  # it takes any number of images
            "images",
            repository_id=f"{args.name}-images",
            location=args.plan.region,
            format="DOCKER",
            kms_key_name=keys.key_id,
            docker_config=artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
            vulnerability_scanning_config=artifactregistry.RepositoryVulnerabilityScanningConfigArgs(
                enablement_config="INHERITED"
            ),
            labels=args.labels,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(keys.may_use)),
        )
        self.files_name = files.name
        self.register_outputs({"files_name": self.files_name})
