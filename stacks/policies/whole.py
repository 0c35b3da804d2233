"""Rules on what only the whole stack shows."""

from __future__ import annotations

from collections.abc import Iterator

from portolan.cloud.resources import Resource, at, node_pools
from stacks.policies import kinds
from stacks.policies.shapes import Limits, StackRule, Violation, violation

GOOGLE_AUDIT = "gcp:projects/iAMAuditConfig:IAMAuditConfig"


def audit_logs(resources: list[Resource], _limits: Limits) -> Iterator[Violation]:
    """The cluster writes its audit log (SEC-9.5.8-05)."""
    for one in resources:
        missing = ""
        if one.kind == kinds.CLUSTER_AWS and "audit" not in (one.properties.get("enabledClusterLogTypes") or ()):
            missing = "add audit to the log types"
        if one.kind == kinds.CLUSTER_AZURE and "kube-audit" not in _azure_logs(resources):
            missing = "add a diagnostic setting of the cluster with the category kube-audit"
        if one.kind == kinds.CLUSTER_GCP:
            kept = at(one.properties, "loggingConfig.enableComponents") or ()
            if "APISERVER" not in kept or not any(other.kind == GOOGLE_AUDIT for other in resources):
                missing = "add APISERVER to the logs of the cluster, and an IAMAuditConfig of the project"
        if missing:
            yield violation("SEC-9.5.8-05", one, "no audit log", "an audit log", missing)


def every_bucket_is_closed(resources: list[Resource], _limits: Limits) -> Iterator[Violation]:
    """Each bucket has a block of public access (SEC-9.5.8-06): one that is missing cannot be wrong by itself."""
    closed = {one.name for one in resources if one.kind == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"}
    for bucket in resources:
        if bucket.kind == kinds.BUCKET_AWS and bucket.name not in closed:
            remedy = "add a BucketPublicAccessBlock of the bucket's name"
            yield violation("SEC-9.5.8-06", bucket, "no block of public access", "one", remedy)


def every_bucket_is_encrypted(resources: list[Resource], _limits: Limits) -> Iterator[Violation]:
    """Each bucket has the site's key (SEC-9.5.8-03); the setting is a resource of its own at AWS."""
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    keyed = {one.name for one in resources if one.kind == kind}
    for bucket in resources:
        if bucket.kind == kinds.BUCKET_AWS and bucket.name not in keyed:
            remedy = "add a BucketServerSideEncryptionConfiguration of the bucket's name"
            yield violation("SEC-9.5.8-03", bucket, "no key of the site", "encryption at rest", remedy)


def several_zones(resources: list[Resource], _limits: Limits) -> Iterator[Violation]:
    """Nodes are spread over at least two zones (LB-9.5.7-01: what serves has somewhere to go)."""
    subnets = {one.properties.get("availabilityZone") for one in resources if one.kind == "aws:ec2/subnet:Subnet"} - {
        None
    }
    for one in resources:
        if not node_pools(one):
            continue
        if one.provider == "aws":
            zones = len(subnets) if subnets else len(one.properties.get("subnetIds") or ())
        elif one.kind == kinds.CLUSTER_AZURE:
            zones = min(len(pool.get("availabilityZones") or ()) for pool in one.properties["agentPoolProfiles"])
        else:
            zones = len(one.properties.get("availabilityZones") or one.properties.get("nodeLocations") or ())
        if zones < 2:
            remedy = "name two zones or more under cloud.zones"
            yield violation("LB-9.5.7-01", one, f"{zones} zone", "two zones or more", remedy)


def cost_ceiling(resources: list[Resource], limits: Limits) -> Iterator[Violation]:
    """The stack costs no more than the site's budget (COST-10.7-06). Without prices nothing is judged."""
    if limits.monthly_ceiling is None or limits.monthly_cost is None:
        return
    total = limits.monthly_cost(resources)
    if total > limits.monthly_ceiling:
        dearest = max(resources, key=lambda one: limits.monthly_cost([one]) if limits.monthly_cost else 0.0)
        found, asked = f"{total:.2f} USD a month", f"at most {limits.monthly_ceiling:.2f}"
        remedy = "raise cloud.monthly_budget, or ask for less; this is the dearest resource"
        yield violation("COST-10.7-06", dearest, found, asked, remedy)


STACK_RULES: tuple[StackRule, ...] = (
    audit_logs,
    every_bucket_is_closed,
    every_bucket_is_encrypted,
    several_zones,
    cost_ceiling,
)


def _azure_logs(resources: list[Resource]) -> set[str]:
    settings = [one for one in resources if one.kind == "azure-native:monitor:DiagnosticSetting"]
    return {
        log.get("category", "") for one in settings for log in one.properties.get("logs") or () if log.get("enabled")
    }
