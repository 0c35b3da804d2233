"""The plan on Google Cloud: network, keys, GKE, node pools, storage, registry, logs and budget."""

from __future__ import annotations

import pulumi
import pulumi_gcp

from stacks.clusters.gcp.cluster import GoogleCluster
from stacks.clusters.rented import RentedArgs

__all__ = ["GoogleCluster", "provider"]


def provider(args: RentedArgs) -> pulumi.ProviderResource:
    """Return Google Cloud in the plan's region; the project comes from the stack's configuration (`gcp:project`)."""
    # Budgets and quotas are asked in the name of the project.
    return pulumi_gcp.Provider(
        "gcp", project=pulumi.Config("gcp").get("project"), region=args.plan.region, user_project_override=True
    )
