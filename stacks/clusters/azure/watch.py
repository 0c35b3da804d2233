"""What is noted and who is told: logs into the platform's own object store and a workspace, the alarm on cost."""

from __future__ import annotations

from datetime import UTC, datetime

import pulumi
from pulumi_azure_native import consumption, monitor, operationalinsights

from stacks.clusters.azure.identities import Place
from stacks.clusters.rented import RETENTION_DAYS, RentedArgs

CLUSTER_LOGS = (
    "kube-apiserver",
    "kube-audit",
    "kube-controller-manager",
    "kube-scheduler",
    "cluster-autoscaler",
    "guard",
)
OTHER_LOGS = {
    "vault": ("AuditEvent",),
    "objects": ("StorageRead", "StorageWrite", "StorageDelete"),
    "registry": ("ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"),
}


class Watch(pulumi.ComponentResource):
    """Logs of the cluster, the vault, the objects and the registry, and the budget."""

    def __init__(
        self,
        name: str,
        args: RentedArgs,
        place: Place,
        watched: dict[str, pulumi.Output[str]],
        account_id: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("portolan:azure:Watch", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        workspace = operationalinsights.Workspace(
            name,
            resource_group_name=place.group,
            location=place.region,
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            retention_in_days=RETENTION_DAYS,
            features=operationalinsights.WorkspaceFeaturesArgs(disable_local_auth=True),
            tags=place.tags,
            opts=inside,
        )
        for one, target in watched.items():
            monitor.DiagnosticSetting(
                one,
                resource_uri=target,
                workspace_id=workspace.id,
                storage_account_id=account_id,
                logs=[
                    monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True)
                    for category in (CLUSTER_LOGS if one == "cluster" else OTHER_LOGS[one])
                ],
                opts=inside,
            )
        self._budget(name, args, place)
        self.register_outputs({})

    def _budget(self, name: str, args: RentedArgs, place: Place) -> None:
        """Make the alarm: 80 % spent, all of it forecast; none where no limit or nobody is named."""
        if args.monthly_budget is None or not args.alarm_addresses:
            return
        first = datetime.now(UTC).replace(day=1).strftime("%Y-%m-%dT00:00:00Z")
        consumption.Budget(
            name,
            scope=pulumi.Output.concat("/subscriptions/", place.subscription, "/resourceGroups/", place.group),
            amount=args.monthly_budget,
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            time_period=consumption.BudgetTimePeriodArgs(start_date=first),
            notifications={
                kind: consumption.NotificationArgs(
                    enabled=True,
                    operator=consumption.OperatorType.GREATER_THAN,
                    threshold=threshold,
                    threshold_type=kind,
                    contact_emails=list(args.alarm_addresses),
                )
                for kind, threshold in (("Actual", 80.0), ("Forecasted", 100.0))
            },
            # Azure wants a month that is not over; the one in which the budget was made stays.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["timePeriod"]),
        )
