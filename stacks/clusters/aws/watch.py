"""The alarm on cost: at 80 % of the budget as spent, and at all of it as forecast."""

from __future__ import annotations

import pulumi
import pulumi_aws.budgets as budgets

from stacks.clusters.rented import RentedArgs


def budget(name: str, args: RentedArgs, opts: pulumi.ResourceOptions) -> budgets.Budget | None:
    """Make the budget of the site's cost centre; None where the site sets no limit or names nobody to tell."""
    if args.monthly_budget is None or not args.alarm_addresses:
        return None
    return budgets.Budget(
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
        opts=opts,
    )
