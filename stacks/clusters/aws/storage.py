"""Object and shared-file storage and the private registry, with the site's own key; blocks come from the EBS driver."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws.ecr as ecr
import pulumi_aws.efs as efs
import pulumi_aws.s3 as s3

from stacks.clusters.aws.network import Network
from stacks.clusters.rented import BUCKETS, REPOSITORIES, RentedArgs


class Stores(pulumi.ComponentResource):
    """Buckets, a shared file system, repositories of images. Outputs `bucket_arns`, `file_system_id`."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        network: Network,
        key_arn: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:aws:Stores", name, None, opts)
        self._args, self._key, self._inside = args, key_arn, pulumi.ResourceOptions(parent=self)
        # What holds data is protected: `pulumi destroy` refuses until a person lifts it.
        self._kept = pulumi.ResourceOptions(parent=self, protect=True)
        self.buckets = {one: self._bucket(f"{args.name}-{one}", one) for one in BUCKETS}
        self.bucket_arns = [one.arn for one in self.buckets.values()]
        files = efs.FileSystem(name, encrypted=True, kms_key_id=key_arn, tags=args.tags, opts=self._kept)
        for zone, subnet in zip(args.zones, network.private_subnet_ids, strict=True):
            efs.MountTarget(
                f"{name}-{zone}",
                file_system_id=files.id,
                subnet_id=subnet,
                security_groups=[network.services_group.id],
                opts=self._inside,
            )
        for repository in REPOSITORIES:
            ecr.Repository(
                repository.rsplit("/", 1)[-1],
                name=f"{args.name}/{repository}",
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
                encryption_configurations=[
                    ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key_arn)
                ],
                tags=args.tags,
                opts=self._inside,
            )
        self.file_system_id = files.id
        self.register_outputs({"bucket_arns": self.bucket_arns, "file_system_id": self.file_system_id})

    def _bucket(self, name: str, purpose: str) -> s3.Bucket:
        # Names of buckets are the whole world's: Pulumi adds letters of its own.
        bucket = s3.Bucket(name, tags=self._args.tags, opts=self._kept)
        s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.id,
            rules=[
                s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    bucket_key_enabled=True,
                    apply_server_side_encryption_by_default=(
                        s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                            sse_algorithm="aws:kms", kms_master_key_id=self._key
                        )
                    ),
                )
            ],
            opts=self._inside,
        )
        s3.BucketPublicAccessBlock(
            name,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._inside,
        )
        s3.BucketVersioning(
            name,
            bucket=bucket.id,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._inside,
        )
        document = audited if purpose == "logs" else only_encrypted_transport
        s3.BucketPolicy(name, bucket=bucket.id, policy=bucket.arn.apply(document), opts=self._inside)
        return bucket


def only_encrypted_transport(arn: str) -> str:
    """Return the bucket policy that refuses what does not come over TLS."""
    return json.dumps({"Version": "2012-10-17", "Statement": [_plain_refused(arn)]})


def audited(arn: str) -> str:
    """Return the policy of the bucket that AWS writes the account's trail into."""
    trail = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    write = {**trail, "Action": "s3:PutObject", "Resource": f"{arn}/trail/*"}
    look = {**trail, "Action": "s3:GetBucketAcl", "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [_plain_refused(arn), look, write]})


def _plain_refused(arn: str) -> dict[str, object]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
