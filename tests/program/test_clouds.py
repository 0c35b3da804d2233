"""The stacks of the three clouds under mocks: no account is asked, every input is of the provider's own type."""

from __future__ import annotations

import ipaddress
import json

import pytest

from portolan.cloud.cost import monthly_lines
from portolan.cloud.prices import BY_USE, FREE, NODES, PRICED
from portolan.cloud.resources import node_pools
from portolan.costing.book import load_catalogue
from stacks.clusters.rented import BUCKETS
from stacks.policies import rules
from stacks.policies.limits import limits_of
from tests.support.clouds import PROVIDERS, TOKENS, declared, plan_of, stack_of
from tests.support.provider_types import arguments_of, wrong

of_each = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture
def stack(provider):
    return stack_of(provider)


@pytest.fixture
def plan(provider):
    return plan_of(provider)


def the(stack, kind):
    found = stack.of(kind)
    assert len(found) == 1, [one.name for one in found]
    return found[0].inputs


@of_each
def test_every_name_is_used_once_a_type(stack):
    keys = [(one.kind, one.name) for one in stack.resources]
    assert len(keys) == len(set(keys)) > 50


@of_each
def test_every_input_is_of_the_providers_own_type(stack, provider):
    resources = [one for one in stack.resources if one.kind.split(":")[0] == TOKENS[provider]]
    assert len(resources) >= 39
    found = [text for one in resources for text in wrong(dict(one.inputs), arguments_of(one.kind), one.kind)]
    assert found == []


WRONG = [
    ("aws:ec2/vpc:Vpc", {"cidrBlok": "10.0.0.0/16"}, "no such input"),
    ("aws:ec2/vpc:Vpc", {"cidrBlock": 16}, "is not text"),
    ("aws:eks/nodeGroup:NodeGroup", {"scalingConfig": {"desiredSize": "3"}}, "is not a whole number"),
    ("aws:eks/nodeGroup:NodeGroup", {"subnetIds": [3]}, "subnetIds[0]: 3 is not text"),
    ("aws:eks/cluster:Cluster", {"name": "one"}, "asks for roleArn"),
    ("azure-native:containerservice:AgentPool", {"scaleSetPriority": "Cheap"}, "is none of Spot, Regular"),
    ("azure-native:containerservice:AgentPool", {"osDiskSizeGB": 10.5}, "is not a whole number"),
    ("azure-native:storage:StorageAccount", {"sku": {}}, "SkuArgs asks for name"),
    ("azure-native:network:VirtualNetwork", {"tags": ["one"]}, "is not a map"),
    ("gcp:container/nodePool:NodePool", {"cluster": "one", "nodeConfig": {"spot": "yes"}}, "is not a flag"),
    ("gcp:container/cluster:Cluster", {"databaseEncryption": {}}, "asks for state"),
    ("gcp:storage/bucket:Bucket", {"location": "eu", "labels": {"one": 2}}, "labels.one: 2 is not text"),
]


@pytest.mark.parametrize(("kind", "inputs", "said"), WRONG, ids=[f"{case[0]}-{case[2]}" for case in WRONG])
def test_an_input_that_is_not_of_the_providers_type_is_found(kind, inputs, said):
    assert [text for text in wrong(inputs, arguments_of(kind), kind) if said in text]


@of_each
def test_the_stack_breaks_no_rule(stack, plan):
    assert [str(one) for one in rules.judge_stack([one.rule for one in stack.resources], limits_of(plan.cloud))] == []


@of_each
def test_node_pools_are_the_plans(stack, plan):
    declared_pools = [pool for one in stack.resources for pool in node_pools(one.rule)]
    found = {(one.purpose, one.purchase): (one.instance, one.least, one.most) for one in declared_pools}
    wanted = {(one.purpose, one.purchase): (one.instance, one.least, max(1, one.most)) for one in plan.cloud.pools}
    assert found == wanted
    assert {one.purchase for one in plan.cloud.pools} == {"reserved", "interruptible"}


@of_each
def test_what_may_be_interrupted_is_bought_so(stack, provider):
    bought = {
        "aws": ("aws:eks/nodeGroup:NodeGroup", lambda one: one["capacityType"] == "SPOT"),
        "azure": ("azure-native:containerservice:AgentPool", lambda one: one.get("scaleSetPriority") == "Spot"),
        "gcp": ("gcp:container/nodePool:NodePool", lambda one: one["nodeConfig"]["spot"]),
    }
    kind, interruptible = bought[provider]
    assert [one.name for one in stack.of(kind) if interruptible(one.inputs)] in (
        ["training-interruptible"],
        ["trainingspot"],
    )


@of_each
def test_gpu_nodes_get_driver_and_device_plugin_and_keep_others_off(stack, provider):
    plugin = stack.of("kubernetes:apps/v1:DaemonSet")
    if provider == "aws":  # the image brings the driver
        groups = stack.of("aws:eks/nodeGroup:NodeGroup")
        gpu = [one.inputs for one in groups if one.inputs["labels"]["portolan.dev/purpose"] != "cpu"]
        assert {one["amiType"] for one in gpu} == {"AL2023_x86_64_NVIDIA"}
        taints = [taint["key"] for one in gpu for taint in one["taints"]]
    elif provider == "azure":  # Azure installs it
        gpu = [one.inputs for one in stack.of("azure-native:containerservice:AgentPool")]
        assert {one["gpuProfile"]["driver"] for one in gpu} == {"Install"}
        taints = [taint.split("=")[0] for one in gpu for taint in one["nodeTaints"]]
    else:  # Google installs both
        pools = [one.inputs["nodeConfig"] for one in stack.of("gcp:container/nodePool:NodePool")]
        gpu = [one for one in pools if one["labels"]["portolan.dev/purpose"] != "cpu"]
        drivers = [one["guestAccelerators"][0]["gpuDriverInstallationConfig"] for one in gpu]
        assert drivers == [{"gpuDriverVersion": "DEFAULT"}] * 2
        taints = [taint["key"] for one in gpu for taint in one["taints"]]
    assert len(gpu) == 2
    assert taints.count("nvidia.com/gpu") == 2
    assert len(plugin) == (0 if provider == "gcp" else 1)
    for one in plugin:
        assert one.inputs["spec"]["template"]["spec"]["containers"][0]["image"].startswith("nvcr.io/nvidia/")


@of_each
def test_something_scales_the_pools(stack, provider):
    own = [one.name for one in stack.of("kubernetes:apps/v1:Deployment")]
    assert own == (["cluster-autoscaler"] if provider == "aws" else [])
    if provider == "azure":
        assert all(one.inputs["enableAutoScaling"] for one in stack.of("azure-native:containerservice:AgentPool"))
    if provider == "gcp":
        assert all(one.inputs["autoscaling"] for one in stack.of("gcp:container/nodePool:NodePool"))


@of_each
def test_there_are_blocks_files_and_objects(stack, provider):
    classes = {one.name: one.inputs for one in stack.of("kubernetes:storage.k8s.io/v1:StorageClass")}
    assert set(classes) == {"portolan-block", "portolan-files"}
    assert classes["portolan-block"]["volumeBindingMode"] == "WaitForFirstConsumer"
    kinds = {
        "aws": "aws:s3/bucket:Bucket",
        "azure": "azure-native:storage:BlobContainer",
        "gcp": "gcp:storage/bucket:Bucket",
    }
    assert sorted(one.name.rsplit("-")[-1] for one in stack.of(kinds[provider])) == sorted(BUCKETS)


@of_each
def test_the_way_in_is_a_load_balancer_of_the_providers_inside_the_network(stack):
    service = the(stack, "kubernetes:core/v1:Service")
    assert service["spec"]["type"] == "LoadBalancer"
    assert stack.outputs["address"] == "http://balancer.example"


@of_each
def test_no_key_is_made_and_the_kubeconfig_is_secret_and_holds_none(stack):
    assert stack.outputs["secret"] is True
    document = json.loads(stack.outputs["kubeconfig"])
    assert set(document["users"][0]["user"]) == {"exec"}
    assert document["clusters"][0]["cluster"]["server"].startswith("https://")


@of_each
def test_the_workload_has_an_identity_that_only_its_pods_can_take(stack, provider):
    if provider == "aws":
        found = [one.inputs for one in stack.of("aws:eks/podIdentityAssociation:PodIdentityAssociation")]
        assert ("risk-scoring", "risk-scoring") in [(one["namespace"], one["serviceAccount"]) for one in found]
    elif provider == "azure":
        credential = the(stack, "azure-native:managedidentity:FederatedIdentityCredential")
        assert credential["subject"] == "system:serviceaccount:risk-scoring:risk-scoring"
    else:
        member = the(stack, "gcp:serviceaccount/iAMMember:IAMMember")["member"]
        assert member == "serviceAccount:rehearsal.svc.id.goog[risk-scoring/risk-scoring]"


@of_each
def test_whoever_pays_is_told_before_the_budget_is_spent(stack, provider, plan):
    if provider == "aws":
        budget = the(stack, "aws:budgets/budget:Budget")
        told = [one["subscriberEmailAddresses"] for one in budget["notifications"]]
        assert budget["limitAmount"] == "12000.00"
    elif provider == "azure":
        budget = the(stack, "azure-native:consumption:Budget")
        told = [one["contactEmails"] for one in budget["notifications"].values()]
        assert budget["amount"] == 12000.0
    else:
        budget = the(stack, "gcp:billing/budget:Budget")
        channels = stack.of("gcp:monitoring/notificationChannel:NotificationChannel")
        told = [[one.inputs["labels"]["email_address"]] for one in channels] * len(budget["thresholdRules"])
        assert budget["amount"]["specifiedAmount"] == {"units": "12000"}
    assert told == [list(plan.cloud.alarm_addresses)] * 2


@of_each
def test_without_anybody_to_tell_there_is_no_budget(plan):
    silent = plan.model_copy(update={"cloud": plan.cloud.model_copy(update={"alarm_addresses": ()})})
    assert not [one for one in declared(silent).resources if "budget" in one.kind.lower()]


@of_each
def test_ranges_of_addresses_do_not_overlap(stack, plan, provider):
    kinds = {
        "aws": ("aws:ec2/subnet:Subnet", "cidrBlock"),
        "azure": ("azure-native:network:Subnet", "addressPrefix"),
        "gcp": ("gcp:compute/subnetwork:Subnetwork", "ipCidrRange"),
    }
    kind, key = kinds[provider]
    ranges = [ipaddress.ip_network(one.inputs[key]) for one in stack.of(kind)]
    if provider == "gcp":
        ranges += [ipaddress.ip_network(one["ipCidrRange"]) for one in stack.of(kind)[0].inputs["secondaryIpRanges"]]
        cluster = the(stack, "gcp:container/cluster:Cluster")
        ranges.append(ipaddress.ip_network(cluster["privateClusterConfig"]["masterIpv4CidrBlock"]))
    assert len(ranges) >= 3
    assert not any(one.overlaps(other) for i, one in enumerate(ranges) for other in ranges[i + 1 :])


def test_each_zone_of_aws_has_its_own_way_out():
    stack = stack_of("aws")
    assert len(stack.of("aws:ec2/natGateway:NatGateway")) == 3
    tables = [one for one in stack.of("aws:ec2/routeTable:RouteTable") if one.name.startswith("private")]
    assert len({one.inputs["routes"][0]["natGatewayId"] for one in tables}) == 3


WAITS = {
    # What must stand first, and what would fail without it.
    "aws": [
        ("aws:eks/nodeGroup:NodeGroup", "aws:eks/addon:Addon", "vpc-cni"),
        ("aws:cloudtrail/trail:Trail", "aws:s3/bucketPolicy:BucketPolicy", "aws-logs"),
        ("aws:eks/cluster:Cluster", "aws:cloudwatch/logGroup:LogGroup", "aws-control-plane"),
    ],
    "azure": [
        ("azure-native:containerservice:ManagedCluster", "azure-native:authorization:RoleAssignment", "azure-network"),
        ("azure-native:storage:StorageAccount", "azure-native:authorization:RoleAssignment", "azure-data-key"),
    ],
    "gcp": [
        ("gcp:container/cluster:Cluster", "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "key-cluster"),
        ("gcp:storage/bucket:Bucket", "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "key-objects"),
        ("gcp:filestore/instance:Instance", "gcp:servicenetworking/connection:Connection", "gcp"),
    ],
}


@of_each
def test_what_needs_another_resource_waits_for_it(stack, provider):
    for kind, other, name in WAITS[provider]:
        first = next(one.urn for one in stack.of(other) if one.name == name)
        for one in stack.of(kind):
            assert first in one.needs, f"{kind} {one.name} does not wait for {name}"


@of_each
def test_whoever_reads_the_logs_finds_them_with_the_other_objects(stack, provider):
    if provider == "aws":
        stream = the(stack, "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream")
        assert "aws-logs" in stream["extendedS3Configuration"]["bucketArn"]
        assert len(stack.of("aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter")) == 2
    elif provider == "azure":
        settings = stack.of("azure-native:monitor:DiagnosticSetting")
        assert all(one.inputs["storageAccountId"] and one.inputs["workspaceId"] for one in settings)
    else:
        sinks = [one.inputs["destination"] for one in stack.of("gcp:logging/projectSink:ProjectSink")]
        assert "storage.googleapis.com/rehearsal-gcp-logs" in sinks


@of_each
def test_every_kind_of_resource_is_priced_or_known_to_cost_nothing_by_itself(stack):
    known = {*PRICED, *BY_USE, *FREE, *NODES}
    assert {one.kind for one in stack.resources if not one.component and "pulumi:" not in one.kind} <= known
    assert not set(PRICED) & (BY_USE | FREE)
    assert not BY_USE & FREE


@of_each
def test_every_pool_of_the_plan_has_its_cost(stack, plan):
    lines = monthly_lines([one.rule for one in stack.resources], plan.cloud, load_catalogue())
    priced = {line.item: line for line in lines}
    hours = sum(line.quantity for line in lines if line.item in {pool.instance for pool in plan.cloud.pools})
    assert float(hours) == sum(int(pool.count) * pool.hours_per_month for pool in plan.cloud.pools)
    assert {pool.instance for pool in plan.cloud.pools} <= set(priced)
    assert all(line.price_date.year >= 2025 for line in lines)


def test_the_reports_own_instances_stay_available(tmp_path):
    plan = plan_of("aws").cloud
    wanted = {"cpu": "c5.4xlarge", "gpu": "p3.8xlarge", "training": "p4d.24xlarge"}
    pools = tuple(pool.model_copy(update={"instance": wanted[pool.pool]}) for pool in plan.pools)
    chosen = plan_of("aws").model_copy(update={"cloud": plan.model_copy(update={"pools": pools})})
    found = {one.inputs["instanceTypes"][0] for one in declared(chosen).of("aws:eks/nodeGroup:NodeGroup")}
    assert found == set(wanted.values())
