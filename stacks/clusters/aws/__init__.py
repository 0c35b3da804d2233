"""The plan on AWS: network, keys, EKS, node groups, storage, registry, logs and budget."""

from __future__ import annotations

from stacks.clusters.aws.cluster import AmazonCluster

__all__ = ["AmazonCluster"]
