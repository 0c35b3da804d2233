"""The plan on Azure: network, keys, AKS, node pools, storage, registry, logs and budget."""

from __future__ import annotations

import pulumi
import pulumi_azure_native

from stacks.clusters.azure.cluster import AzureCluster
from stacks.clusters.rented import RentedArgs

__all__ = ["AzureCluster", "provider"]


def provider(args: RentedArgs) -> pulumi.ProviderResource:
    """Return Azure in the plan's region; subscription and tenant come from the user's session."""
    return pulumi_azure_native.Provider("azure", location=args.plan.region)
