"""What is noted and who is told: logs into the platform's own object store, the account's trail, the alarm on cost."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws.budgets as budgets
import pulumi_aws.cloudtrail as cloudtrail
import pulumi_aws.cloudwatch as cloudwatch
import pulumi_aws.costexplorer as costexplorer
import pulumi_aws.iam as iam
import pulumi_aws.kinesis as kinesis

from stacks.clusters.aws.roles import role
from stacks.clusters.aws.storage import Stores
from stacks.clusters.rented import RentedArgs

WRITE = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucket")
BUFFER_SECONDS, BUFFER_MEBIBYTES = 300, 16


class Watch(pulumi.ComponentResource):
    """Logs of control plane and traffic, and every call to the account, in the bucket that the platform reads."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        logs: dict[str, cloudwatch.LogGroup],
        stores: Stores,
        key_arn: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:aws:Watch", name, None, opts)
        self._args, self._inside = args, pulumi.ResourceOptions(parent=self)
        bucket = stores.buckets["logs"]
        writer, _ = role(f"{name}-log-writer", "firehose.amazonaws.com", (), args.tags, self._inside)
        may_write = iam.RolePolicy(
            f"{name}-log-writer",
            role=writer.id,
            policy=pulumi.Output.all(bucket.arn, key_arn).apply(lambda found: write_policy(*found)),
            opts=self._inside,
        )
        stream = kinesis.FirehoseDeliveryStream(
            f"{name}-logs",
            destination="extended_s3",
            server_side_encryption=kinesis.FirehoseDeliveryStreamServerSideEncryptionArgs(
                enabled=True, key_type="CUSTOMER_MANAGED_CMK", key_arn=key_arn
            ),
            extended_s3_configuration=kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationArgs(
                bucket_arn=bucket.arn,
                role_arn=writer.arn,
                kms_key_arn=key_arn,
                prefix="logs/",
                error_output_prefix="errors/",
                buffering_interval=BUFFER_SECONDS,
                buffering_size=BUFFER_MEBIBYTES,
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_write]),
        )
        sender, _ = role(f"{name}-log-sender", "logs.amazonaws.com", (), args.tags, self._inside)
        may_send = iam.RolePolicy(
            f"{name}-log-sender", role=sender.id, policy=stream.arn.apply(send_policy), opts=self._inside
        )
        for purpose, group in logs.items():
            cloudwatch.LogSubscriptionFilter(
                f"{name}-{purpose}",
                log_group=group.name,
                destination_arn=stream.arn,
                role_arn=sender.arn,
                filter_pattern="",
                opts=pulumi.ResourceOptions(parent=self, depends_on=[may_send]),
            )
        cloudtrail.Trail(
            name,
            s3_bucket_name=bucket.id,
            s3_key_prefix="trail",
            kms_key_id=key_arn,
            is_multi_region_trail=True,  # who works around the site does so from another region
            include_global_service_events=True,
            enable_log_file_validation=True,
            tags=args.tags,
            # AWS refuses a trail whose bucket does not let it in yet.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[stores]),
        )
        self._budget(name)
        self.register_outputs({})

    def _budget(self, name: str) -> None:
        """Make the alarm: 80 % of the budget spent, all of it forecast; none where no limit or nobody is named."""
        args = self._args
        for tag in ("portolan:site", "portolan:cost-centre"):
            # Until a tag is active, bills and budgets do not know it.
            costexplorer.CostAllocationTag(tag.replace(":", "-"), tag_key=tag, status="Active", opts=self._inside)
        if args.monthly_budget is None or not args.alarm_addresses:
            return
        budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{args.monthly_budget:.2f}",
            limit_unit="USD",
            cost_filters=[budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:portolan:site${args.name}"])],
            notifications=[
                budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    threshold=threshold,
                    threshold_type="PERCENTAGE",
                    notification_type=kind,
                    subscriber_email_addresses=list(args.alarm_addresses),
                )
                for threshold, kind in ((80, "ACTUAL"), (100, "FORECASTED"))
            ],
            tags=args.tags,
            opts=self._inside,
        )


def write_policy(bucket: str, key: str) -> str:
    """Return what the stream may do: write into the one bucket, with the one key."""
    statements = [
        {"Effect": "Allow", "Action": list(WRITE), "Resource": [bucket, f"{bucket}/*"]},
        {"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": [key]},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def send_policy(stream: str) -> str:
    """Return what the log service may do: put records into the one stream."""
    statement = {"Effect": "Allow", "Action": ["firehose:PutRecord", "firehose:PutRecordBatch"], "Resource": [stream]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
