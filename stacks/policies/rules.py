"""The rules: pure functions of a resource's type, name and inputs (Pulumi's names), each for a line of the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """What the site allows and the plan needs. `hourly_prices`: US dollars by instance type; None: not known."""

    allowed_regions: tuple[str, ...]
    minimum_cores: dict[str, float]  # by node purpose
    cores: dict[str, float]  # by instance type
    minimum_accelerators: int = 4  # K8S-9.5.6-02
    accelerators: dict[str, int] | None = None  # by instance type
    monthly_ceiling: float | None = None
    hourly_prices: dict[str, float] | None = None


@dataclass(frozen=True)
class Violation:
    """What is wrong with a resource: the line it breaks, the value found, the value asked, and how to mend it."""

    requirement: str
    resource: str
    found: str
    asked: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.requirement}: {self.resource}: found {self.found}, asked {self.asked}; {self.remedy}"


@dataclass(frozen=True)
class Resource:
    """A resource as the engine was asked for it."""

    kind: str
    name: str
    properties: Properties


Rule = Callable[[Resource, Limits], Iterator[Violation]]

ENCRYPTED = {
    "aws:ebs/volume:Volume": ("encrypted", "encrypted=True"),
    "aws:efs/fileSystem:FileSystem": ("encrypted", "encrypted=True"),
    "aws:eks/cluster:Cluster": ("encryptionConfig", "encryption_config with a KMS key"),
    "aws:ecr/repository:Repository": ("encryptionConfigurations", "encryption_configurations of type KMS"),
    "aws:cloudwatch/logGroup:LogGroup": ("kmsKeyId", "kms_key_id"),
    "aws:sns/topic:Topic": ("kmsMasterKeyId", "kms_master_key_id"),
}
UNTAGGED_KINDS = frozenset({"aws:ec2/vpcEndpoint:VpcEndpoint"})
TAG = "portolan:cost-centre"
HOURS_PER_MONTH = 730
ANYWHERE = "0.0.0.0/0"


def encryption(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """Data at rest are encrypted (SEC-9.5.8-03)."""
    key, remedy = ENCRYPTED.get(resource.kind, ("", ""))
    if key and not resource.properties.get(key):
        yield _violation("SEC-9.5.8-03", resource, f"no {key}", "encryption at rest", f"set {remedy}")
    if resource.kind == "aws:ec2/launchTemplate:LaunchTemplate":
        for device in resource.properties.get("blockDeviceMappings") or ():
            # The provider writes this one flag as a word.
            if str((device.get("ebs") or {}).get("encrypted")).lower() != "true":
                what = f"disk {device.get('deviceName')} in the clear"
                yield _violation("SEC-9.5.8-03", resource, what, "an encrypted disk", 'set ebs.encrypted="true"')


def private_endpoint(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """The cluster's API is not reachable from the internet (SEC-9.5.8-01)."""
    if resource.kind == "aws:eks/cluster:Cluster":
        access = resource.properties.get("vpcConfig") or {}
        if access.get("endpointPublicAccess") is not False or access.get("endpointPrivateAccess") is not True:
            yield _violation(
                "SEC-9.5.8-01",
                resource,
                "a public API endpoint",
                "a private one",
                "set endpoint_public_access=False and endpoint_private_access=True",
            )
    if resource.kind == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule" and (
        resource.properties.get("cidrIpv4") == ANYWHERE
    ):
        yield _violation("SEC-9.5.8-01", resource, ANYWHERE, "a known range", "name the range that may connect")


def no_public_buckets(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """No bucket can be opened to the public (SEC-9.5.8-06)."""
    if resource.kind != "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":
        return
    for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
        if resource.properties.get(key) is not True:
            yield _violation("SEC-9.5.8-06", resource, f"{key} off", f"{key} on", f"set {key} to true")


def transport(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """A bucket refuses what does not come over TLS (SEC-9.5.8-02)."""
    if resource.kind != "aws:s3/bucketPolicy:BucketPolicy":
        return
    document = json.loads(resource.properties.get("policy") or "{}")
    denied = any(
        one.get("Effect") == "Deny"
        and (one.get("Condition") or {}).get("Bool", {}).get("aws:SecureTransport") == "false"
        for one in document.get("Statement", ())
    )
    if not denied:
        remedy = "deny s3:* where aws:SecureTransport is false"
        yield _violation("SEC-9.5.8-02", resource, "plain HTTP allowed", "TLS only", remedy)


def no_static_keys(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """Workloads get their identity from the cluster, not from a key that is kept somewhere (SEC-9.5.3-01)."""
    if resource.kind in ("aws:iam/accessKey:AccessKey", "gcp:serviceaccount/key:Key"):
        remedy = "associate a role with the service account"
        yield _violation("SEC-9.5.3-01", resource, "a static key", "a workload identity", remedy)


def tagged(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """What costs money says whose money (K8S-9.5.6-07)."""
    if "tags" in resource.properties and not (resource.properties["tags"] or {}).get(TAG):
        remedy = "set cloud.cost_centre in the site file"
        yield _violation("K8S-9.5.6-07", resource, f"no {TAG}", f"the tag {TAG}", remedy)


def allowed_region(resource: Resource, limits: Limits) -> Iterator[Violation]:
    """Data rest only where the site allows it (SEC-9.5.8-06)."""
    region = resource.properties.get("region") or resource.properties.get("location")
    if isinstance(region, str) and region and region not in limits.allowed_regions:
        asked = " or ".join(limits.allowed_regions)
        remedy = "choose an allowed region, or add it to cloud.allowed_regions"
        yield _violation("SEC-9.5.8-06", resource, region, asked, remedy)


def node_minima(resource: Resource, limits: Limits) -> Iterator[Violation]:
    """Nodes have the cores (CPU-9.7.2-01) and the GPUs (GPU-9.7.2-01) that the report asks of a cloud instance."""
    if resource.kind != "aws:eks/nodeGroup:NodeGroup":
        return
    purpose = (resource.properties.get("labels") or {}).get("portolan.dev/purpose", "")
    for instance in resource.properties.get("instanceTypes") or ():
        asked, found = limits.minimum_cores.get(purpose, 0.0), limits.cores.get(instance)
        if found is not None and found < asked:
            yield _violation(
                "CPU-9.7.2-01",
                resource,
                f"{instance} with {found:g} vCPU",
                f"{asked:g} vCPU",
                "choose a larger instance type under cloud.instances",
            )
        gpus = (limits.accelerators or {}).get(instance, 0)
        if purpose in ("gpu", "training") and gpus < limits.minimum_accelerators:
            yield _violation(
                "GPU-9.7.2-01",
                resource,
                f"{instance} with {gpus} GPU",
                f"{limits.minimum_accelerators} GPU",
                "choose an instance type with four GPUs under cloud.instances.gpu",
            )


RULES: tuple[Rule, ...] = (
    encryption,
    private_endpoint,
    no_public_buckets,
    transport,
    no_static_keys,
    tagged,
    allowed_region,
    node_minima,
)


def audit_logs(resources: Iterable[Resource]) -> Iterator[Violation]:
    """The cluster writes its audit log (SEC-9.5.8-05)."""
    for resource in resources:
        if resource.kind == "aws:eks/cluster:Cluster" and "audit" not in (
            resource.properties.get("enabledClusterLogTypes") or ()
        ):
            yield _violation("SEC-9.5.8-05", resource, "no audit log", "audit", "add audit to the log types")


def every_bucket_is_closed(resources: Iterable[Resource]) -> Iterator[Violation]:
    """Each bucket has a block of public access (SEC-9.5.8-06): one that is missing cannot be wrong by itself."""
    known = list(resources)
    buckets = [one for one in known if one.kind == "aws:s3/bucket:Bucket"]
    closed = {one.name for one in known if one.kind == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"}
    for bucket in buckets:
        if bucket.name not in closed:
            remedy = "add a BucketPublicAccessBlock of the bucket's name"
            yield _violation("SEC-9.5.8-06", bucket, "no block of public access", "one", remedy)


def cost_ceiling(resources: Iterable[Resource], limits: Limits) -> Iterator[Violation]:
    """The nodes of the plan cost no more than the site's budget (ASC-9.7.2-02). Without prices nothing is judged."""
    if limits.monthly_ceiling is None or not limits.hourly_prices:
        return
    total = 0.0
    last: Resource | None = None
    for resource in resources:
        if resource.kind == "aws:eks/nodeGroup:NodeGroup":
            scaling = resource.properties.get("scalingConfig") or {}
            price = max((limits.hourly_prices.get(one, 0.0) for one in resource.properties["instanceTypes"]), default=0)
            total += scaling.get("desiredSize", 0) * price * HOURS_PER_MONTH
            last = resource
    if last is not None and total > limits.monthly_ceiling:
        found, asked = f"{total:.2f} USD a month", f"at most {limits.monthly_ceiling:.2f}"
        yield _violation("ASC-9.7.2-02", last, found, asked, "raise cloud.monthly_budget, or ask for less")


def judge(resource: Resource, limits: Limits) -> list[Violation]:
    """Return what every rule finds wrong with one resource."""
    return [violation for rule in RULES for violation in rule(resource, limits)]


def judge_stack(resources: Iterable[Resource], limits: Limits) -> list[Violation]:
    """Return what is wrong with the resources, one by one and together."""
    known = list(resources)
    found = [violation for resource in known for violation in judge(resource, limits)]
    return [*found, *audit_logs(known), *every_bucket_is_closed(known), *cost_ceiling(known, limits)]


def _violation(requirement: str, resource: Resource, found: str, asked: str, remedy: str) -> Violation:
    return Violation(requirement, f"{resource.kind} {resource.name}", found, asked, remedy)
