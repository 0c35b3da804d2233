"""What the program declares on each of two clusters under one management."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.platform.bursts import place_for, values
from portolan.platform.secrets import generate_access_key
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sites.clusters import cluster_sites
from portolan.sites.locations import DataClass
from portolan.sizing.engine import size

from .conftest import run_program

SITE = load_site(paths.REPOSITORY / "tests" / "scenarios" / "two-clusters" / "site.yaml")
NAMESPACE = "kubernetes:core/v1:Namespace"
ID = "HYB-9.5.4-02"


@pytest.fixture(scope="module")
def shared(settings, secrets):
    keys = {"object_store_bursts": generate_access_key(), "object_store_carrier": generate_access_key()}
    return replace(settings, secrets=secrets.model_copy(update=keys))


@pytest.fixture(scope="module")
def plans():
    sites = cluster_sites(SITE, {"worker-1": "10.77.0.11", "cloud-1": "10.78.0.11"})
    return {one.member_of.location: size(one, load_requirements()) for one in sites}


@pytest.fixture(scope="module")
def on_site(shared, plans, bundle):
    return run_program(replace(shared, plan=plans["capital"]), bundle.binary("helm"))


@pytest.fixture(scope="module")
def in_the_cloud(shared, plans, bundle):
    return run_program(replace(shared, plan=plans["region"]), bundle.binary("helm"))


def named(registered, kind):
    return {one.inputs["metadata"]["name"] for one in registered.of(kind)}


def test_sensitive_namespaces_exist_on_site_alone(on_site, in_the_cloud):
    assert "risk-scoring" in named(on_site, NAMESPACE)
    assert named(in_the_cloud, NAMESPACE) == {"portolan-system", "kuberay-system", "bursts"}
    for one in in_the_cloud.of(NAMESPACE):
        assert one.inputs["metadata"]["labels"].get("portolan.dev/data-class") in ("anonymised", None)


def test_the_queue_is_in_the_cloud_alone_and_anonymising_on_site_alone(on_site, in_the_cloud):
    assert "burst-queue" not in named(on_site, "kubernetes:apps/v1:Deployment")
    assert "burst-queue" in named(in_the_cloud, "kubernetes:apps/v1:Deployment")
    assert "anonymise" in named(on_site, "kubernetes:batch/v1:Job")
    assert not in_the_cloud.of("kubernetes:batch/v1:Job")
    assert "bursts" not in named(on_site, NAMESPACE)


def test_nothing_is_served_in_the_cloud(in_the_cloud):
    kinds = {one.kind.rsplit(":", 1)[-1] for one in in_the_cloud.resources}
    assert not kinds & {"KServe", "RiskScoring", "Training", "Declarations", "InferenceService", "ModelRegistry"}


def test_the_cloud_refuses_what_says_that_it_is_sensitive(in_the_cloud):
    policies = in_the_cloud.of("kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy")
    by_name = {one.inputs["metadata"]["name"]: one.inputs["spec"] for one in policies}
    assert set(by_name) == {"portolan-no-sensitive-namespaces", "portolan-no-sensitive-work", "portolan-bursts"}
    for spec in by_name.values():
        assert spec["failurePolicy"] == "Fail"
        assert all(ID in check["messageExpression"] for check in spec["validations"])
    assert '["risk-scoring"]' in str(by_name["portolan-no-sensitive-namespaces"])


def test_anonymised_data_are_carried_from_the_site_to_the_clouds_own_store(on_site, in_the_cloud):
    (job,) = on_site.of("kubernetes:batch/v1:CronJob")
    container = job.inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert environment["CARRY_ENDPOINT_URL"] == "http://10.78.0.11:30833"
    assert container["command"] == ["python", "/program/carry.py", "s3://anonymised/"]
    (door,) = [one for one in in_the_cloud.of("kubernetes:core/v1:Service") if one.name == "object-store-door"]
    assert door.inputs["spec"]["ports"][0]["nodePort"] == 30833
    assert not on_site.of("portolan:platform:Door")
    assert not in_the_cloud.of("kubernetes:batch/v1:CronJob")


def test_the_only_way_out_of_a_sensitive_namespace_is_the_carriers(on_site):
    policies = {one.name: one.inputs for one in on_site.of("kubernetes:networking.k8s.io/v1:NetworkPolicy")}
    egress = policies["carry-region"]["spec"]
    assert egress["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "carry-region"}
    assert egress["egress"] == [
        {"to": [{"ipBlock": {"cidr": "10.78.0.11/32"}}], "ports": [{"port": 30833, "protocol": "TCP"}]}
    ]


def test_a_burst_goes_where_its_data_may_be_and_is_refused_elsewhere_with_the_requirement():
    placement = size(SITE, load_requirements()).placement
    assert place_for(placement, DataClass.ANONYMISED, None) == "region"
    assert place_for(placement, DataClass.PUBLIC, "region") == "region"
    for location in (None, "region"):
        with pytest.raises(PortolanError, match=ID):
            place_for(placement, DataClass.SENSITIVE, location)
    with pytest.raises(PortolanError, match="on site"):
        place_for(placement, DataClass.PUBLIC, "capital")
    with pytest.raises(PortolanError, match="no such location"):
        place_for(placement, DataClass.PUBLIC, "moon")


def test_a_burst_asks_for_no_more_nodes_than_the_clouds_cluster_has(plans):
    assert values(plans["region"], "image:1", "trial", 600)["workers"]["minimumNodes"] == 1
