"""The InferenceService scores declarations over both protocols, and refuses what is none with a remedy."""

from __future__ import annotations

import pytest

from portolan.conformity import endpoints
from tests.support.declarations import DECLARATIONS


@pytest.fixture
def client(sandbox):
    with sandbox.client() as client:
        yield client


def score_v1(client, declarations):
    answer = client.post("/v1/models/risk-scoring:predict", json={"instances": declarations})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_inference_service_is_ready(sandbox):
    conditions = {c["type"]: c["status"] for c in sandbox.inference_service()["status"]["conditions"]}
    assert conditions["Ready"] == "True"


def test_v1_scores_every_declaration_with_lane_and_reasons(client):
    document = score_v1(client, DECLARATIONS)
    assert endpoints.fault_of_predictions(document["predictions"], len(DECLARATIONS)) == ""
    assert len(document["model_digest"]) == 64


def test_v2_agrees_with_v1(client):
    answer = client.post("/v2/models/risk-scoring/infer", json=endpoints.open_inference_request(DECLARATIONS))
    assert answer.status_code == 200, answer.text
    outputs = endpoints.open_inference_outputs(answer.json())
    assert endpoints.fault_of_agreement(score_v1(client, DECLARATIONS)["predictions"], outputs) == ""


def test_the_score_depends_on_the_declaration_and_on_nothing_else(client):
    first = score_v1(client, DECLARATIONS)["predictions"]
    again = score_v1(client, list(reversed(DECLARATIONS)))["predictions"]
    assert [entry["score"] for entry in first] == [entry["score"] for entry in reversed(again)]
    assert len({entry["score"] for entry in first}) > 1


def test_model_metadata_is_served(client):
    answer = client.get("/v2/models/risk-scoring")
    assert answer.status_code == 200
    assert answer.json()["name"] == "risk-scoring"


@pytest.mark.parametrize(
    "instances",
    [[{}], ["not a declaration"], [{**DECLARATIONS[0], "hs6_code": "12"}], [{**DECLARATIONS[0], "net_mass": -1}]],
    ids=["empty", "no-object", "short-hs6-code", "negative-mass"],
)
def test_what_is_no_declaration_is_refused_with_the_field_in_fault(client, instances):
    answer = client.post("/v1/models/risk-scoring:predict", json={"instances": instances})
    assert answer.status_code in (400, 422)
    assert "instances[0]" in answer.text


def test_an_unknown_model_is_not_found(client):
    answer = client.post("/v1/models/no-such-model:predict", json={"instances": DECLARATIONS})
    assert answer.status_code == 404
