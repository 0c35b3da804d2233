"""The rules: pure functions of a resource's type, name and inputs (Pulumi's names), each for a line of the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from portolan.cloud.resources import Resource, at, node_pools
from stacks.policies import kinds
from stacks.policies.pods import least_privilege, pinned_images
from stacks.policies.shapes import ANYWHERE, LABEL, TAG, Limits, Rule, Violation, violation

GPU_PURPOSES = ("gpu", "training")


def encryption(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """Data at rest are encrypted (SEC-9.5.8-03)."""
    yield from _asked("SEC-9.5.8-03", resource, kinds.ENCRYPTED, "encryption at rest")
    if resource.kind == "aws:ec2/launchTemplate:LaunchTemplate":
        for device in resource.properties.get("blockDeviceMappings") or ():
            # The provider writes this one flag as a word.
            if str((device.get("ebs") or {}).get("encrypted")).lower() != "true":
                what = f"disk {device.get('deviceName')} in the clear"
                yield violation("SEC-9.5.8-03", resource, what, "an encrypted disk", 'set ebs.encrypted="true"')
    if resource.kind == kinds.CLUSTER_AZURE:
        for pool in resource.properties.get("agentPoolProfiles") or ():
            if pool.get("enableEncryptionAtHost") is not True:
                what, remedy = f"disks of pool {pool.get('name')} in the clear", "set enable_encryption_at_host=True"
                yield violation("SEC-9.5.8-03", resource, what, "encrypted disks", remedy)
    if resource.kind.startswith("kubernetes:storage.k8s.io/") and resource.kind.endswith(":StorageClass"):
        key = kinds.VOLUME_KEYS.get(str(resource.properties.get("provisioner")), "")
        if key and not (resource.properties.get("parameters") or {}).get(key):
            yield violation("SEC-9.5.8-03", resource, f"no {key}", "volumes with the site's key", f"set {key}")


def private_endpoint(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """Nothing of the site answers to the internet: no API, no store, no open port (SEC-9.5.8-01)."""
    yield from _asked("SEC-9.5.8-01", resource, kinds.PRIVATE, "a private endpoint")
    for place in _open_to(resource):
        if place in ANYWHERE:
            remedy = "name the range that may connect"
            yield violation("SEC-9.5.8-01", resource, f"{place} may connect", "a known range", remedy)
    if resource.kind == "kubernetes:core/v1:Service" and at(resource.properties, "spec.type") == "LoadBalancer":
        notes = at(resource.properties, "metadata.annotations") or {}
        if not any(notes.get(key) == value for key, value in kinds.INTERNAL_SERVICE.items()):
            remedy = "annotate the Service as the provider's internal load balancer"
            yield violation("SEC-9.5.8-01", resource, "a public load balancer", "an internal one", remedy)


def no_public_buckets(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """No bucket can be opened to the public (SEC-9.5.8-06)."""
    yield from _asked("SEC-9.5.8-06", resource, kinds.CLOSED, "no public access")
    if resource.kind.startswith("gcp:storage/bucketIAM"):
        members = [resource.properties.get("member"), *(resource.properties.get("members") or ())]
        for one in members:
            if one in ("allUsers", "allAuthenticatedUsers"):
                yield violation("SEC-9.5.8-06", resource, f"{one} may read", "named accounts", "name who may read")


def transport(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """A store refuses what does not come over TLS (SEC-9.5.8-02)."""
    yield from _asked("SEC-9.5.8-02", resource, kinds.TRANSPORT, "TLS only")
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
        yield violation("SEC-9.5.8-02", resource, "plain HTTP allowed", "TLS only", remedy)


def no_static_keys(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """Workloads get their identity from the cluster, not from a key that is kept somewhere (SEC-9.5.3-01)."""
    yield from _asked("SEC-9.5.3-01", resource, kinds.KEYLESS, "identities instead of keys")
    if resource.kind in kinds.STATIC_KEYS:
        remedy = "let the workload's service account take an identity of the cloud"
        yield violation("SEC-9.5.3-01", resource, "a static key", "a workload identity", remedy)


def tagged(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """What costs money says whose money (K8S-9.5.6-07)."""
    given = resource.properties
    path = kinds.BILLED.get(resource.kind) or next(
        (one for one in ("tags", "labels", "resourceLabels") if resource.provider and one in given), ""
    )
    # A channel's labels are its address; its own labels have another name.
    if not path or resource.kind == "gcp:monitoring/notificationChannel:NotificationChannel":
        return
    name = LABEL if resource.provider == "gcp" else TAG
    if not (at(given, path) or {}).get(name):
        remedy = "set cloud.cost_centre in the site file"
        yield violation("K8S-9.5.6-07", resource, f"no {name}", f"the tag {name}", remedy)


def allowed_region(resource: Resource, limits: Limits) -> Iterator[Violation]:
    """Data rest only where the site allows it (SEC-9.5.8-06)."""
    if resource.kind in kinds.NOWHERE or not (resource.provider or resource.kind.startswith("pulumi:providers:")):
        return
    region = resource.properties.get("region") or resource.properties.get("location")
    if isinstance(region, str) and region and region.lower() not in limits.allowed_regions:
        asked = " or ".join(limits.allowed_regions)
        remedy = "choose an allowed region, or add it to cloud.allowed_regions"
        yield violation("SEC-9.5.8-06", resource, region, asked, remedy)


def node_minima(resource: Resource, limits: Limits) -> Iterator[Violation]:
    """Nodes have the cores (CPU-9.7.2-01), GPUs (GPU-9.7.2-01) and GPU memory (GPU-9.7.2-02) that the report asks."""
    for pool in node_pools(resource):
        found, gpu = limits.cores.get(pool.instance), pool.purpose in GPU_PURPOSES
        key = f"cloud.instances.{pool.purpose or 'cpu'}"
        if found is None:
            remedy = f"name an instance type of the catalogue under {key}"
            yield violation("CPU-9.7.2-01", resource, f"{pool.instance}, of unknown size", "a known size", remedy)
            continue
        if found < limits.minimum_cores and not gpu:
            what, asked = f"{pool.instance} with {found:g} vCPU", f"{limits.minimum_cores:g} vCPU"
            yield violation("CPU-9.7.2-01", resource, what, asked, f"choose a larger instance type under {key}")
        if not gpu:
            continue
        cards, memory = (
            limits.accelerators.get(pool.instance, 0),
            limits.accelerator_gigabytes.get(pool.instance, 0.0),
        )
        if cards < limits.minimum_accelerators:
            what, asked = f"{pool.instance} with {cards} GPU", f"{limits.minimum_accelerators} GPU"
            yield violation("GPU-9.7.2-01", resource, what, asked, f"choose an instance type with more under {key}")
        elif memory < limits.minimum_accelerator_gigabytes:
            what = f"{pool.instance} with {memory:g} GB of GPU memory"
            asked = f"{limits.minimum_accelerator_gigabytes:g} GB"
            yield violation("GPU-9.7.2-02", resource, what, asked, f"choose an instance type with more under {key}")


def autoscaling(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """A pool of nodes can follow the load (ASC-9.7.2-02)."""
    for pool in node_pools(resource):
        if pool.most <= pool.least:
            what, remedy = f"{pool.least} to {pool.most} nodes", "let the pool's largest number be over its smallest"
            yield violation("ASC-9.7.2-02", resource, what, "a range", remedy)


def deletion_protection(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """What holds data is not removed by one command (SEC-9.5.8-06)."""
    yield from _asked("SEC-9.5.8-06", resource, kinds.DELETION, "protection against deletion")
    if resource.kind in kinds.KEPT and resource.protected is False:
        remedy = "give the resource the option protect=True"
        yield violation("SEC-9.5.8-06", resource, "not protected", "protection against deletion", remedy)


RULES: tuple[Rule, ...] = (
    encryption,
    private_endpoint,
    no_public_buckets,
    transport,
    no_static_keys,
    tagged,
    allowed_region,
    node_minima,
    autoscaling,
    deletion_protection,
    least_privilege,
    pinned_images,
)


def judge(resource: Resource, limits: Limits) -> list[Violation]:
    """Return what every rule finds wrong with one resource."""
    return [found for rule in RULES for found in rule(resource, limits)]


def judge_stack(resources: Iterable[Resource], limits: Limits) -> list[Violation]:
    """Return what is wrong with the resources, one by one and together."""
    from stacks.policies.whole import STACK_RULES

    known = list(resources)
    found = [one for resource in known for one in judge(resource, limits)]
    return [*found, *(one for rule in STACK_RULES for one in rule(known, limits))]


def _asked(
    requirement: str, resource: Resource, table: Mapping[str, tuple[kinds.Asked, ...]], what: str
) -> Iterator[Violation]:
    for path, value, remedy in table.get(resource.kind, ()):
        found = at(resource.properties, path)
        if (not found) if value is None else (found != value):
            shown = f"no {path}" if found is None or found == "" else f"{path} {json.dumps(found)}"
            asked = what if value is None else f"{path} {json.dumps(value)}"
            yield violation(requirement, resource, shown, asked, f"set {remedy}")


def _open_to(resource: Resource) -> list[str]:
    """Return from where a rule of a firewall lets in."""
    given = resource.properties
    if resource.kind == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
        return [one for one in (given.get("cidrIpv4"), given.get("cidrIpv6")) if one]
    if resource.kind == "aws:ec2/securityGroup:SecurityGroup":
        rules = given.get("ingress") or ()
        return [one for rule in rules for key in ("cidrBlocks", "ipv6CidrBlocks") for one in rule.get(key) or ()]
    if resource.kind == "azure-native:network:NetworkSecurityGroup":
        inward = [
            rule
            for rule in given.get("securityRules") or ()
            if rule.get("access") == "Allow" and rule.get("direction") == "Inbound"
        ]
        return [
            one
            for rule in inward
            for one in [rule.get("sourceAddressPrefix"), *(rule.get("sourceAddressPrefixes") or ())]
        ]
    if resource.kind == "gcp:compute/firewall:Firewall" and given.get("direction", "INGRESS") == "INGRESS":
        return list(given.get("sourceRanges") or ()) if given.get("allows") else []
    return []
