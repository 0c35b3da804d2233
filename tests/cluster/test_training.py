"""The training job ran on more than one node, and the model that it wrote is the one that is served."""

from __future__ import annotations

import pytest

from portolan.conformity import platform
from portolan.conformity.store import object_store, read_manifest, sha256_of_object
from portolan.conformity.world import World, opened
from tests.support.declarations import DECLARATIONS


@pytest.fixture(scope="module")
def world(sandbox):
    connected = World(
        plan=sandbox.plan, hosts={}, kubeconfig=sandbox.kubeconfig, endpoint=sandbox.endpoint(), endpoint_authority=None
    )
    with opened(connected) as world:
        yield world


@pytest.fixture(scope="module")
def prefix(world):
    return platform.trained_model(world)[0]


def test_the_training_job_succeeded(sandbox):
    status = sandbox.ray_job()["status"]
    assert status["jobStatus"] == "SUCCEEDED"
    assert status["jobDeploymentStatus"] == "Complete"


def test_rays_workers_ran_on_at_least_two_nodes(world):
    reading = platform.training_nodes(world, "platform", "value")
    assert reading.value is not None, reading.reason_not_measured
    assert reading.value >= 2, reading.detail


def test_the_bucket_holds_what_the_manifest_says(world, prefix):
    manifest = read_manifest(object_store(world), "models", prefix)
    assert {"model.txt", "features.json", "card.json"} <= set(manifest["files"])
    for name, entry in manifest["files"].items():
        assert sha256_of_object(object_store(world), "models", prefix + name) == platform.digest_in(entry), name


def test_the_served_model_is_the_trained_one(world, prefix, sandbox):
    manifest = read_manifest(object_store(world), "models", prefix)
    with sandbox.client() as client:
        answer = client.post("/v1/models/risk-scoring:predict", json={"instances": DECLARATIONS})
    assert answer.json()["model_digest"] == manifest["model_digest"]


def test_the_training_data_came_from_the_bucket(world):
    keys = {entry["Key"] for entry in object_store(world).list_objects_v2(Bucket="declarations")["Contents"]}
    assert {"train.csv", "valid.csv"} <= keys


def test_the_object_store_keeps_what_is_put_into_it(world):
    assert platform.works(world, "platform", "value").value is True
