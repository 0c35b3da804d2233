"""The plan on AWS: network, keys, EKS, node groups, storage, registry, logs and budget."""

from __future__ import annotations

import pulumi
import pulumi_aws

from stacks.clusters.aws.cluster import AmazonCluster
from stacks.clusters.rented import RentedArgs

__all__ = ["AmazonCluster", "provider"]


def provider(args: RentedArgs) -> pulumi.ProviderResource:
    """Return AWS in the plan's region, whatever the user's own configuration says."""
    return pulumi_aws.Provider("aws", region=args.plan.region)
