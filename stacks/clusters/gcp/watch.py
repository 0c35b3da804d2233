"""What is noted and who is told: logs into the platform's own object store, the alarm on cost."""

from __future__ import annotations

import pulumi
import pulumi_gcp.billing as billing
import pulumi_gcp.logging as logging
import pulumi_gcp.monitoring as monitoring
import pulumi_gcp.projects as projects
import pulumi_gcp.storage as storage

from stacks.clusters.rented import RETENTION_DAYS, RentedArgs

FILTER = 'resource.type=("k8s_cluster" OR "k8s_node" OR "k8s_container" OR "gce_subnetwork") OR logName:"cloudaudit"'
ADMINISTRATION, READING, WRITING = "ADMIN_READ", "DATA_READ", "DATA_WRITE"


class Watch(pulumi.ComponentResource):
    """Who did what in the project, what the cluster and the network say, and the budget."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        project: pulumi.Output[str],
        billing_account: pulumi.Output[str],
        bucket: storage.Bucket,
        key_id: pulumi.Output[str],
        after: list[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:gcp:Watch", name, None, opts)
        self._inside = pulumi.ResourceOptions(parent=self)
        projects.IAMAuditConfig(
            name,
            project=project,
            service="allServices",
            audit_log_configs=[
                projects.IAMAuditConfigAuditLogConfigArgs(log_type=one) for one in (ADMINISTRATION, READING, WRITING)
            ],
            opts=self._inside,
        )
        # Google's own bucket of logs lies anywhere; this one lies in the site's region and has the site's key.
        kept = logging.ProjectBucketConfig(
            name,
            project=project,
            location=args.plan.region,
            bucket_id=f"portolan-{args.name}",
            retention_days=RETENTION_DAYS,
            cmek_settings=logging.ProjectBucketConfigCmekSettingsArgs(kms_key_name=key_id),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        logging.ProjectSink(
            f"{name}-search",
            name=f"portolan-{args.name}-search",
            destination=pulumi.Output.concat("logging.googleapis.com/", kept.id),
            filter=FILTER,
            opts=self._inside,
        )
        sink = logging.ProjectSink(
            name,
            name=f"portolan-{args.name}",
            destination=pulumi.Output.concat("storage.googleapis.com/", bucket.name),
            filter=FILTER,
            unique_writer_identity=True,
            opts=self._inside,
        )
        storage.BucketIAMMember(
            f"{name}-log-writer",
            bucket=bucket.name,
            role="roles/storage.objectCreator",
            member=sink.writer_identity,
            opts=self._inside,
        )
        self._budget(name, args, project, billing_account)
        self.register_outputs({})

    def _budget(
        self, name: str, args: RentedArgs, project: pulumi.Output[str], billing_account: pulumi.Output[str]
    ) -> None:
        """Make the alarm: 80 % spent, all of it forecast; none where no limit or nobody is named."""
        if args.monthly_budget is None or not args.alarm_addresses:
            return
        channels = [
            monitoring.NotificationChannel(
                f"{name}-{place}",
                display_name=address,
                type="email",
                labels={"email_address": address},
                user_labels=args.labels,
                opts=self._inside,
            )
            for place, address in enumerate(args.alarm_addresses)
        ]
        billing.Budget(
            name,
            billing_account=billing_account,
            display_name=f"portolan {args.name}",
            # Without a currency Google takes the account's own.
            amount=billing.BudgetAmountArgs(
                specified_amount=billing.BudgetAmountSpecifiedAmountArgs(units=str(int(args.monthly_budget)))
            ),
            budget_filter=billing.BudgetBudgetFilterArgs(
                projects=[pulumi.Output.concat("projects/", project)],
                labels={"portolan-site": args.labels["portolan-site"]},
                calendar_period="MONTH",
            ),
            threshold_rules=[
                billing.BudgetThresholdRuleArgs(threshold_percent=0.8, spend_basis="CURRENT_SPEND"),
                billing.BudgetThresholdRuleArgs(threshold_percent=1.0, spend_basis="FORECASTED_SPEND"),
            ],
            all_updates_rule=billing.BudgetAllUpdatesRuleArgs(
                monitoring_notification_channels=[one.id for one in channels]
            ),
            opts=self._inside,
        )
