"""What the program adds on a site with several locations."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from portolan import paths
from portolan.platform.secrets import generate_access_key
from portolan.requirements import load_requirements
from portolan.sites import load_site
from portolan.sizing.engine import size

from .conftest import run_program

SITE = paths.REPOSITORY / "tests" / "scenarios" / "hybrid" / "site.yaml"


@pytest.fixture(scope="module")
def hybrid_plan():
    return size(load_site(SITE), load_requirements())


@pytest.fixture(scope="module")
def hybrid(settings, hybrid_plan, bundle, secrets):
    with_bursts = secrets.model_copy(update={"object_store_bursts": generate_access_key()})
    addresses = {"worker-1": "192.0.2.11", "cloud-1": "192.0.2.21", "cloud-2": "192.0.2.22"}
    changed = replace(settings, plan=hybrid_plan, secrets=with_bursts, addresses=addresses)
    return run_program(changed, bundle.binary("helm"))


def test_a_site_of_one_place_has_none_of_it(registered):
    kinds = {one.kind.rsplit(":", 1)[-1] for one in registered.resources}
    assert not kinds & {"ValidatingAdmissionPolicy", "Residency", "Bursts"}
    assert not [one for one in registered.resources if "cloud" in one.name]


def test_each_namespace_says_which_data_it_holds(hybrid, hybrid_plan):
    for name, data in hybrid_plan.placement.namespaces.items():
        labels = hybrid.one("kubernetes:core/v1:Namespace", name)["metadata"]["labels"]
        assert labels["portolan.dev/data-class"] == data.value


def test_every_policy_denies_and_has_a_binding(hybrid):
    group = "kubernetes:admissionregistration.k8s.io/v1"
    policies = {one.inputs["metadata"]["name"]: one.inputs for one in hybrid.of(f"{group}:ValidatingAdmissionPolicy")}
    bindings = {one.inputs["spec"]["policyName"] for one in hybrid.of(f"{group}:ValidatingAdmissionPolicyBinding")}
    assert set(policies) == bindings
    assert len(policies) == 5
    assert all(one["spec"]["failurePolicy"] == "Fail" for one in policies.values())
    for one in policies.values():
        assert all("HYB-9.5.4-02" in check["messageExpression"] for check in one["spec"]["validations"])


def test_sensitive_pods_connect_to_each_other_to_names_and_to_hosts_on_site(hybrid):
    policies = [
        one.inputs
        for one in hybrid.of("kubernetes:networking.k8s.io/v1:NetworkPolicy")
        if one.inputs["metadata"]["name"] == "stays-on-site"
    ]
    assert {one["metadata"]["namespace"] for one in policies} == {"portolan-system", "risk-scoring"}
    for one in policies:
        blocks = [to["ipBlock"]["cidr"] for rule in one["spec"]["egress"] for to in rule["to"] if "ipBlock" in to]
        assert blocks == ["10.93.0.0/24"]


def test_directories_of_hosts_in_the_cloud_have_a_class_of_their_own(hybrid):
    volumes = hybrid.of("kubernetes:core/v1:PersistentVolume")
    classes = {one.name: one.inputs["spec"]["storageClassName"] for one in volumes}
    assert classes["worker-1-volume-1"] == "portolan-local"
    assert classes["cloud-2-volume-4"] == "portolan-local-cloud"


def test_the_queue_has_the_plans_limits_and_few_rights(hybrid, hybrid_plan):
    documents = {
        (one.kind.rsplit(":", 1)[-1], one.inputs["metadata"].get("namespace")): one.inputs
        for one in hybrid.resources
        if one.inputs.get("metadata", {}).get("name") == "burst-queue"
    }
    limits = json.loads(documents["ConfigMap", "portolan-system"]["data"]["limits.json"])
    assert limits["seconds_per_job"] == hybrid_plan.placement.bursts.seconds_per_job
    assert limits["monthly_budget"] == hybrid_plan.placement.bursts.monthly_budget
    rules = [rule for key, one in documents.items() if "Role" in key[0] for rule in one.get("rules", ())]
    assert not any("*" in rule["verbs"] or "delete" in rule["verbs"] or "create" in rule["verbs"] for rule in rules)
    assert {resource for rule in rules for resource in rule["resources"]} == {"nodes", "rayjobs", "configmaps"}


def test_bursts_read_what_is_anonymised_and_cannot_read_declarations(settings, hybrid_plan, secrets):
    from stacks.shared import burst_identity

    with_bursts = secrets.model_copy(update={"object_store_bursts": generate_access_key()})
    (identity,) = burst_identity(replace(settings, plan=hybrid_plan, secrets=with_bursts)).values()
    assert sorted(identity.actions) == [
        "List:anonymised",
        "List:bursts",
        "Read:anonymised",
        "Read:bursts",
        "Write:bursts",
    ]
