"""The stack on AWS under Pulumi's mocks: no account is asked, every input is held against the provider's own types."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import ipaddress
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pytest
from pulumi import _types

from portolan.requirements import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.engine import size
from portolan.sizing.parts import CloudPlan, CloudPool
from portolan.sizing.quantity import Quantity
from stacks.policies import rules

REPOSITORY = Path(__file__).resolve().parents[2]
SECRET_MARK = "4dabf18193072939515e22adb298388d"


def quantity(value, unit="nodes"):
    return Quantity(value=value, unit=unit, binding="test", reasons=())


def pool(name, purpose, instance, purchase, count, gpus=0):
    return CloudPool(
        pool=name,
        purpose=purpose,
        instance=instance,
        count=quantity(count),
        least=count,
        most=count + 2,
        purchase=purchase,
        disk_bytes=quantity(2e12, "bytes"),
        cpu_cores=16,
        memory_bytes=32e9,
        accelerators=gpus,
    )


PLAN = CloudPlan(
    provider="aws",
    region="eu-west-3",
    zones=("eu-west-3a", "eu-west-3b", "eu-west-3c"),
    pools=(
        pool("cpu", "cpu", "c5.4xlarge", "reserved", 3),
        pool("gpu", "gpu", "g5.12xlarge", "on-demand", 1, gpus=4),
        pool("training", "training", "p4d.24xlarge", "interruptible", 2, gpus=8),
    ),
    object_store_bytes=quantity(10e12, "bytes"),
    block_bytes=quantity(2e12, "bytes"),
    shared_bytes=quantity(10e12, "bytes"),
    egress_bytes_per_month=quantity(0, "bytes"),
)
# c5.4xlarge: 16 vCPU (AWS, EC2 instance types); the two others carry 4 A10G and 8 A100.
LIMITS = rules.Limits(
    allowed_regions=("eu-west-3",),
    minimum_cores={"cpu": 8},
    cores={"c5.4xlarge": 16, "c5.xlarge": 4},
    accelerators={"g5.12xlarge": 4, "p4d.24xlarge": 8, "g5.xlarge": 1},
    monthly_ceiling=5000.0,
    hourly_prices={"c5.4xlarge": 1.0},
)


@dataclass
class Recorder(pulumi.runtime.Mocks):
    """Notes what is asked of AWS, and answers with names made of the resource's."""

    resources: list = field(default_factory=list)
    calls: list = field(default_factory=list)

    def new_resource(self, args):
        self.resources.append(rules.Resource(args.typ, args.name, dict(args.inputs)))
        made = {"arn": f"arn:aws:mock:::{args.name}", **args.inputs}
        if args.typ == "aws:eks/cluster:Cluster":
            made |= {"endpoint": "https://192.0.2.1", "certificateAuthority": {"data": "bW9jaw=="}}
        if args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            made |= {"latestVersion": 1}
        return f"{args.name}-id", made

    def call(self, args):
        self.calls.append(args.token)
        assert args.token == "aws:index/getCallerIdentity:getCallerIdentity"
        return {"accountId": "123456789012", "arn": "", "id": "", "userId": ""}


def run(rented):
    """Run the program of the plan's rented part once, and return what it registered."""
    from stacks.clusters.aws import AmazonCluster
    from stacks.clusters.rented import RentedArgs

    arguments = RentedArgs(
        name="customs",
        plan=rented,
        zones=rented.zones,
        addresses=ipaddress.IPv4Network("10.64.0.0/16"),
        cost_centre="customs-risk",
        monthly_budget=5000.0,
        alarm_addresses=("finance@example.org",),
    )
    recorder = Recorder()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(recorder, project="portolan", stack="aws")
    outputs = {}

    def program():
        made = AmazonCluster("customs", arguments)
        made.kubeconfig.apply(lambda found: outputs.update(kubeconfig=found))
        pulumi.Output.from_input(made.kubeconfig.is_secret()).apply(lambda found: outputs.update(secret=found))

    with contextlib.closing(loop):
        loop.run_until_complete(pulumi.runtime.stack.run_pulumi_func(program))
    recorder.outputs = outputs
    return recorder


@pytest.fixture(scope="module")
def stack():
    return run(PLAN)


def of(stack, kind):
    return [one for one in stack.resources if one.kind == kind]


def test_every_name_is_used_once_a_type(stack):
    keys = [(one.kind, one.name) for one in stack.resources]
    assert len(keys) == len(set(keys)) > 50


def arguments_of(kind):
    """Return the provider's class of a resource's arguments, by the type's token."""
    _, place, name = kind.split(":")
    package, _, module = place.partition("/")
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in module)
    found = importlib.import_module(f"pulumi_aws.{package}.{words}")
    # Where an input of another resource has the type's name, the provider calls the arguments InitArgs.
    return getattr(found, f"{name}InitArgs", None) or getattr(found, f"{name}Args")


def wrong(value, expected, at):
    """Yield what of a value is not of the provider's type."""
    expected = _types.unwrap_type(expected)
    if typing.get_origin(expected) is typing.Union:  # a value, or a promise of one
        expected = typing.get_args(expected)[0]
    if isinstance(value, dict) and SECRET_MARK in value:
        value = value["value"]
    if _types.is_input_type(expected):
        names = _types.input_type_types(expected)
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is not {expected.__name__}"
            return
        for key, entry in value.items():
            if key not in names:
                yield f"{at}.{key}: {expected.__name__} has no such input"
            elif entry is not None:
                yield from wrong(entry, names[key], f"{at}.{key}")
        return
    origin = typing.get_origin(expected)
    if origin in (list, typing.Sequence) or getattr(origin, "__name__", "") == "Sequence":
        if not isinstance(value, list):
            yield f"{at}: {value!r} is not a list"
            return
        for place, entry in enumerate(value):
            yield from wrong(entry, typing.get_args(expected)[0], f"{at}[{place}]")
    elif expected is bool and not isinstance(value, bool):
        yield f"{at}: {value!r} is not a flag"
    elif expected is str and not isinstance(value, str):
        yield f"{at}: {value!r} is not text"
    elif expected in (int, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield f"{at}: {value!r} is not a number"


def test_every_input_is_of_the_providers_own_type(stack):
    resources = [one for one in stack.resources if one.kind.startswith("aws:")]
    assert len(resources) > 50
    assert [found for one in resources for found in wrong(one.properties, arguments_of(one.kind), one.kind)] == []


def test_the_comparison_with_the_providers_types_can_fail():
    vpc = arguments_of("aws:ec2/vpc:Vpc")
    assert list(wrong({"cidrBlok": "10.0.0.0/16"}, vpc, "vpc"))
    assert list(wrong({"cidrBlock": 16}, vpc, "vpc"))
    group = arguments_of("aws:eks/nodeGroup:NodeGroup")
    assert list(wrong({"scalingConfig": {"desiredSize": "3"}}, group, "group"))
    assert list(wrong({"subnetIds": [3]}, group, "group"))


def test_the_stack_breaks_no_rule(stack):
    assert [str(one) for one in rules.judge_stack(stack.resources, LIMITS)] == []


def test_nodes_are_the_plans(stack):
    groups = {one.name: one.properties for one in of(stack, "aws:eks/nodeGroup:NodeGroup")}
    assert set(groups) == {"cpu-reserved", "gpu-on-demand", "training-interruptible"}
    assert groups["training-interruptible"]["capacityType"] == "SPOT"
    assert groups["gpu-on-demand"]["amiType"] == "AL2023_x86_64_NVIDIA"
    assert groups["cpu-reserved"]["scalingConfig"] == {"desiredSize": 3, "minSize": 3, "maxSize": 5}


def test_the_example_site_gives_the_node_groups_of_its_plan():
    planned = size(load_site(REPOSITORY / "sites" / "aws.yaml"), load_requirements()).cloud
    groups = {one.properties["labels"]["portolan.dev/pool"]: one for one in of(run(planned), GROUP)}
    assert {
        name: (one.properties["instanceTypes"], one.properties["scalingConfig"]) for name, one in groups.items()
    } == {
        one.pool: ([one.instance], {"desiredSize": int(one.count), "minSize": one.least, "maxSize": one.most})
        for one in planned.pools
    }


def test_each_zone_has_its_own_way_out_and_no_ranges_overlap(stack):
    assert len(of(stack, "aws:ec2/natGateway:NatGateway")) == len(PLAN.zones)
    ranges = [ipaddress.ip_network(one.properties["cidrBlock"]) for one in of(stack, "aws:ec2/subnet:Subnet")]
    assert len(ranges) == 2 * len(PLAN.zones)
    assert not any(one.overlaps(other) for i, one in enumerate(ranges) for other in ranges[i + 1 :])


def test_the_kubeconfig_is_secret_and_holds_no_key(stack):
    assert stack.outputs["secret"] is True
    user = json.loads(stack.outputs["kubeconfig"])["users"][0]["user"]
    assert set(user) == {"exec"}


def test_every_rule_names_a_line_of_the_report(stack):
    known = {row.id for row in load_requirements().rows}
    broken = [violation for case in BROKEN for violation in rules.judge_stack([case[1]], CHEAP)]
    assert {one.requirement for one in broken} <= known


def resource(kind, **properties):
    return rules.Resource(kind, "one", properties)


CHEAP = dataclasses.replace(LIMITS, monthly_ceiling=100.0)
GROUP = "aws:eks/nodeGroup:NodeGroup"
CLUSTER = {
    "encryptionConfig": {"resources": ["secrets"]},
    "enabledClusterLogTypes": ["audit"],
    "vpcConfig": {"endpointPrivateAccess": True, "endpointPublicAccess": False},
}
# What breaks a rule, the line that it breaks, and the words with which the value found is shown.
BROKEN = [
    ("disk", resource("aws:ebs/volume:Volume"), "SEC-9.5.8-03", "no encrypted"),
    (
        "node-disk",
        resource(
            "aws:ec2/launchTemplate:LaunchTemplate",
            blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": {"encrypted": "false"}}],
        ),
        "SEC-9.5.8-03",
        "/dev/xvda in the clear",
    ),
    (
        "endpoint",
        resource(
            "aws:eks/cluster:Cluster",
            **{**CLUSTER, "vpcConfig": {"endpointPrivateAccess": True, "endpointPublicAccess": True}},
        ),
        "SEC-9.5.8-01",
        "a public API endpoint",
    ),
    (
        "audit",
        resource("aws:eks/cluster:Cluster", **{**CLUSTER, "enabledClusterLogTypes": ["api"]}),
        "SEC-9.5.8-05",
        "no audit log",
    ),
    (
        "public-bucket",
        resource(
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            blockPublicAcls=False,
            blockPublicPolicy=True,
            ignorePublicAcls=True,
            restrictPublicBuckets=True,
        ),
        "SEC-9.5.8-06",
        "blockPublicAcls off",
    ),
    ("open-bucket", resource("aws:s3/bucket:Bucket"), "SEC-9.5.8-06", "no block of public access"),
    (
        "plain-http",
        resource("aws:s3/bucketPolicy:BucketPolicy", policy='{"Statement": []}'),
        "SEC-9.5.8-02",
        "plain HTTP",
    ),
    ("static-key", resource("aws:iam/accessKey:AccessKey"), "SEC-9.5.3-01", "a static key"),
    ("tags", resource("aws:ec2/vpc:Vpc", tags={"portolan:cost-centre": ""}), "K8S-9.5.6-07", "no portolan:cost-centre"),
    ("region", resource("aws:ec2/vpc:Vpc", region="us-east-1"), "SEC-9.5.8-06", "us-east-1"),
    (
        "cores",
        resource(GROUP, instanceTypes=["c5.xlarge"], labels={"portolan.dev/purpose": "cpu"}),
        "CPU-9.7.2-01",
        "4",
    ),
    ("gpus", resource(GROUP, instanceTypes=["g5.xlarge"], labels={"portolan.dev/purpose": "gpu"}), "GPU-9.7.2-01", "1"),
    (
        "cost",
        resource(GROUP, instanceTypes=["c5.4xlarge"], scalingConfig={"desiredSize": 3}),
        "ASC-9.7.2-02",
        "2190.00 USD",
    ),
]


@pytest.mark.parametrize(("name", "one", "requirement", "found"), BROKEN, ids=[case[0] for case in BROKEN])
def test_what_breaks_a_rule_is_refused(name, one, requirement, found):
    violations = rules.judge_stack([one], CHEAP)
    assert [violation.requirement for violation in violations] == [requirement], violations
    assert found in violations[0].found
    assert violations[0].asked
    assert violations[0].remedy


def test_the_policy_pack_runs_the_same_rules():
    from stacks.policies.pack import policies

    made = policies(LIMITS)
    assert len(made) == len(rules.RULES) + 1
    said = []
    encryption = next(one for one in made if one.name == "encryption")

    class Arguments:
        resource_type, name, props = "aws:ebs/volume:Volume", "one", {}

    encryption.validate(Arguments, lambda message, _urn=None: said.append(message))
    assert said == [str(one) for one in rules.judge(resource("aws:ebs/volume:Volume"), LIMITS)]
