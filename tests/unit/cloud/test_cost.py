"""A month's cost by resource: of what is declared, of what was deployed, of what runs, and how they differ."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from portolan.cloud.cost import differences, monthly_lines, monthly_total
from portolan.cloud.gate import described
from portolan.cloud.instances import described as instances
from portolan.cloud.instances import told
from portolan.cloud.preview import deployed, hosts_that_differ
from portolan.cloud.resources import Resource, node_pools, of_state, running
from portolan.costing.book import load_catalogue
from portolan.errors import PortolanError
from tests.support.cloud_plans import plan, pool

CATALOGUE = load_catalogue()
GROUP = "aws:eks/nodeGroup:NodeGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def group(count, purchase="on-demand", instance="m5.2xlarge"):
    return {
        "instanceTypes": [instance],
        "labels": {"portolan.dev/purpose": "cpu", "portolan.dev/purchase": purchase},
        "scalingConfig": {"desiredSize": count, "minSize": 1, "maxSize": 9},
    }


def priced(*resources, rented=None):
    return monthly_lines(resources, rented, CATALOGUE)


def test_nodes_cost_their_hours_at_the_price_of_their_type():
    (line,) = priced(Resource(GROUP, "cpu", group(3)))
    assert line.quantity == 3 * 730
    assert line.monthly == Decimal("840.96")  # 3 * 730 * 0.384
    assert line.price_date == CATALOGUE["m5.2xlarge"].price.source.date


@pytest.mark.parametrize(
    ("purchase", "monthly"), [("on-demand", "840.96"), ("reserved", "588.67"), ("interruptible", "336.38")]
)
def test_the_way_of_buying_makes_the_price(purchase, monthly):
    assert monthly_total(priced(Resource(GROUP, "cpu", group(3, purchase)))) == Decimal(monthly)


def test_a_disk_is_that_of_the_groups_own_template():
    disk = {"blockDeviceMappings": [{"ebs": {"volumeSize": 100}}]}
    lines = priced(Resource(GROUP, "cpu", group(2)), Resource(TEMPLATE, "site-cpu", disk), Resource(TEMPLATE, "x", {}))
    assert [line.monthly for line in lines if line.item == "cloud-block"] == [Decimal("17.18")]  # 2 * 107.4 GB * 0.08


def test_an_instance_type_without_a_price_is_one_clear_error():
    with pytest.raises(PortolanError, match=r"no price of 'x9.huge'") as error:
        priced(Resource(GROUP, "cpu", group(1, instance="x9.huge")))
    assert "price book" in error.value.remedy


def test_a_pool_that_trains_costs_only_its_hours():
    trains = pool("cpu", "m5.2xlarge", 8, 3).model_copy(update={"hours_per_month": 10.0})
    assert priced(Resource(GROUP, "cpu", group(3)), rented=plan("aws", "eu-west-3", trains))[0].quantity == 30


STATE = {
    "deployment": {
        "resources": [
            {"urn": "urn:pulumi:a::portolan::portolan:aws:Cluster::a", "type": "portolan:aws:Cluster"},
            {
                "urn": f"urn:pulumi:a::portolan::portolan:aws:Cluster${GROUP}::cpu",
                "type": GROUP,
                "custom": True,
                "protect": True,
                "inputs": group(3),
                "outputs": group(5),
            },
        ]
    }
}


def test_what_was_deployed_is_priced_by_the_same_function():
    (one,) = of_state(STATE)
    assert (one.name, one.protected, node_pools(one)[0].count) == ("cpu", True, 3)
    assert differences(priced(one), priced(Resource(GROUP, "cpu", group(3)))) == []


def test_what_runs_is_what_the_provider_said_last():
    (change,) = differences(priced(*of_state(STATE)), priced(*running(STATE)))
    assert (change.resource, change.difference) == ("cpu", Decimal("560.64"))  # two nodes more


def test_the_difference_names_what_comes_and_what_goes_the_dearest_first():
    before = priced(Resource(GROUP, "cpu", group(1)), Resource("aws:kms/key:Key", "old", {}))
    after = priced(Resource(GROUP, "cpu", group(1)), Resource("aws:ec2/natGateway:NatGateway", "new", {}))
    assert [(one.resource, one.difference) for one in differences(before, after)] == [
        ("new", Decimal("32.85")),
        ("old", Decimal("-1.00")),
    ]


def test_people_see_each_resource_its_price_date_the_sum_and_the_difference():
    before, after = priced(Resource(GROUP, "cpu", group(1))), priced(Resource(GROUP, "cpu", group(2)))
    said = "\n".join(described(after, before))
    dated = CATALOGUE["m5.2xlarge"].price.source.date
    assert f"560.64 USD  cpu (NodeGroup), m5.2xlarge, price of {dated}" in said
    assert "+280.32 USD  to the last deployment" in said
    assert "nothing was deployed yet" in "\n".join(described(after, []))


def test_hosts_that_the_provider_counts_are_held_against_the_plans_pools():
    rented = plan("aws", "eu-west-3", pool("cpu", "m5.2xlarge", 8, 3), pool("gpu", "g5.12xlarge", 48, 1))
    assert hosts_that_differ(rented, Counter({"m5.2xlarge": 3, "g5.12xlarge": 1})) == []
    assert hosts_that_differ(rented, Counter({"m5.2xlarge": 3, "p5.48xlarge": 2})) == [
        "g5.12xlarge: 0 run, the plan has 1 to 1",
        "p5.48xlarge: 2 run, the plan has 0 to 0",
    ]


def test_hosts_with_the_sites_tag_are_counted_as_ec2_says():
    import boto3
    from moto import mock_aws

    from portolan.cloud import amazon

    with mock_aws():
        session = boto3.Session(region_name="eu-west-3", aws_access_key_id="mock", aws_secret_access_key="mock")
        compute = session.client("ec2")
        image = compute.describe_images()["Images"][0]["ImageId"]
        for site, count in (("aws", 2), ("other", 3)):
            tags = [{"ResourceType": "instance", "Tags": [{"Key": "portolan:site", "Value": site}]}]
            compute.run_instances(
                ImageId=image, MinCount=count, MaxCount=count, InstanceType="m5.2xlarge", TagSpecifications=tags
            )
        found = amazon.running(plan("aws", "eu-west-3", pool("cpu", "m5.2xlarge", 8, 3)), "aws", session)
    assert found == {"m5.2xlarge": 2}


def test_a_file_that_is_no_export_is_one_clear_error(tmp_path):
    wrong = tmp_path / "state.json"
    wrong.write_text('{"resources": []}')
    with pytest.raises(PortolanError, match="no exported stack") as error:
        deployed(tmp_path / "site.yaml", wrong)
    assert "pulumi stack export" in error.value.remedy


def test_ages_and_successors_are_those_of_types_in_the_catalogue():
    known = {item.id for item in CATALOGUE.values() if item.kind == "instance"}
    assert set(told()) <= known
    assert {one for each in told().values() for one in each.successors} <= known


def test_the_reports_own_instances_are_shown_with_age_failings_and_successors():
    named = {one.instance: one for one in instances(date(2026, 11, 1)) if one.named_by_report}
    assert set(named) == {"c5.4xlarge", "p3.8xlarge", "p4d.24xlarge"}
    assert named["p3.8xlarge"].age_years == pytest.approx(9.1)
    assert named["p3.8xlarge"].fails == ("GPU-9.6.3-03 (at least 7.5)",)
    assert "g5.12xlarge" in named["p3.8xlarge"].successors
