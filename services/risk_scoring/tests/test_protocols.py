"""Both protocols give what the model gives when it is called directly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from risk_scoring.dataset import Dataset
from risk_scoring.predictor import Predictor
from risk_scoring.schema import COLUMN_OF_FIELD
from risk_service import MODEL, Running, tensors

BATCHES = (1, 3, 200)  # answered in the event loop, and in a thread


@pytest.mark.parametrize("count", BATCHES)
def test_v1_answers_equal_the_model(server: Running, predictor: Predictor, declarations: Dataset, count: int) -> None:
    rows = [dict(row) for row in declarations.rows[:count]]
    expected = predictor.predict(rows)
    with server.client() as client:
        answer = client.post(f"/v1/models/{MODEL}:predict", json={"instances": rows}).raise_for_status().json()
    assert [one["score"] for one in answer["predictions"]] == expected.scores
    assert [one["lane"] for one in answer["predictions"]] == expected.lanes
    assert [one["reasons"] for one in answer["predictions"]] == expected.reasons
    assert answer["model_digest"] == predictor.digest


@pytest.mark.parametrize("count", BATCHES)
def test_v2_answers_equal_the_model(server: Running, predictor: Predictor, declarations: Dataset, count: int) -> None:
    rows = [dict(row) for row in declarations.rows[:count]]
    expected = predictor.predict(rows)
    with server.client() as client:
        request = {"id": "one", "inputs": tensors(rows)}
        answer = client.post(f"/v2/models/{MODEL}/infer", json=request).raise_for_status().json()
    outputs: dict[str, Any] = {one["name"]: one for one in answer["outputs"]}
    assert answer["id"] == "one"
    assert answer["parameters"]["model_digest"] == predictor.digest
    assert [(one["datatype"], one["shape"]) for one in outputs.values()] == [
        ("FP64", [count]),
        ("BYTES", [count]),
        ("BYTES", [count]),
    ]
    assert outputs["score"]["data"] == expected.scores
    assert outputs["lane"]["data"] == expected.lanes
    assert [json.loads(text) for text in outputs["reasons"]["data"]] == expected.reasons


def test_v2_answers_only_the_outputs_that_were_asked_for(server: Running, declarations: Dataset) -> None:
    request = {"inputs": tensors([dict(declarations.rows[0])]), "outputs": [{"name": "lane"}]}
    with server.client() as client:
        answer = client.post(f"/v2/models/{MODEL}/infer", json=request).raise_for_status().json()
    assert [one["name"] for one in answer["outputs"]] == ["lane"]


def test_v2_takes_column_vectors(server: Running, predictor: Predictor, declarations: Dataset) -> None:
    rows = [dict(row) for row in declarations.rows[:2]]
    columns = [{**one, "shape": [2, 1], "data": [[value] for value in one["data"]]} for one in tensors(rows)]
    with server.client() as client:
        answer = client.post(f"/v2/models/{MODEL}/infer", json={"inputs": columns}).raise_for_status().json()
    assert answer["outputs"][0]["data"] == predictor.predict(rows, reasons=0).scores


def test_a_declaration_may_use_the_column_titles(server: Running, predictor: Predictor, declarations: Dataset) -> None:
    row = declarations.rows[0]
    titled = {COLUMN_OF_FIELD[name]: value for name, value in row.items()}
    with server.client() as client:
        answer = client.post(f"/v1/models/{MODEL}:predict", json={"instances": [titled]}).raise_for_status().json()
    assert answer["predictions"][0]["score"] == predictor.predict([row], reasons=0).scores[0]


@pytest.mark.parametrize("reasons", [0, 1, 5])
def test_as_many_reasons_as_asked_for(server: Running, declarations: Dataset, reasons: int) -> None:
    request = {"instances": [dict(declarations.rows[0])], "parameters": {"reasons": reasons}}
    with server.client() as client:
        answer = client.post(f"/v1/models/{MODEL}:predict", json=request).raise_for_status().json()
    assert len(answer["predictions"][0]["reasons"]) == reasons


def test_a_value_never_seen_is_scored(server: Running, declarations: Dataset) -> None:
    row = {**declarations.rows[0], "importer_id": "NEVERSEEN", "hs6_code": "999999", "country_of_origin": "ZZ"}
    with server.client() as client:
        request = {"instances": [row], "parameters": {"reasons": 30}}
        answer = client.post(f"/v1/models/{MODEL}:predict", json=request).raise_for_status().json()
    reasons = {one["feature"]: one["value"] for one in answer["predictions"][0]["reasons"]}
    assert reasons["record of this importer"] == "NEVERSEEN: never seen before"


def test_numbers_are_the_same_however_they_are_written(
    predictor: Predictor, server: Running, declarations: Dataset
) -> None:
    row = {**declarations.rows[0], "tax_rate": 8.0}
    with server.client() as client:
        request = {"instances": [row, {**row, "tax_rate": 8}]}
        answer = client.post(f"/v1/models/{MODEL}:predict", json=request).raise_for_status().json()
    assert answer["predictions"][0] == answer["predictions"][1]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {"status": "alive"}),
        ("/v1/models", {"models": [MODEL]}),
        (f"/v1/models/{MODEL}", {"name": MODEL, "ready": True}),
        ("/v2", {"name": "portolan-risk-scoring"}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        (f"/v2/models/{MODEL}", {"name": MODEL, "platform": "lightgbm"}),
        (f"/v2/models/{MODEL}/ready", {"ready": True}),
    ],
)
def test_what_a_path_tells(server: Running, path: str, expected: dict[str, Any]) -> None:
    with server.client() as client:
        answer = client.get(path).raise_for_status().json()
    assert expected.items() <= answer.items()


def test_metadata_names_every_tensor_and_the_digest(
    server: Running, predictor: Predictor, declarations: Dataset
) -> None:
    with server.client() as client:
        answer = client.get(f"/v2/models/{MODEL}").raise_for_status().json()
    assert {one["name"] for one in answer["inputs"]} == set(declarations.rows[0])
    assert answer["parameters"]["model_digest"] == predictor.digest


def test_metrics_count_what_was_scored(server: Running, declarations: Dataset) -> None:
    with server.client() as client:
        before = _metrics(client.get("/metrics").text)
        client.post(f"/v1/models/{MODEL}:predict", json={"instances": [dict(r) for r in declarations.rows[:5]]})
        client.post(f"/v1/models/{MODEL}:predict", json={"instances": []})
        after = _metrics(client.get("/metrics").text)
    grown = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert grown['model_server_requests_total{model="risk-scoring",arm="stable",protocol="v1",status="200"}'] == 1
    assert grown['model_server_requests_total{model="risk-scoring",arm="stable",protocol="v1",status="400"}'] == 1
    assert sum(count for name, count in grown.items() if name.startswith("model_server_outcomes_total")) == 5
    assert grown['model_server_request_duration_seconds_count{model="risk-scoring",arm="stable"}'] == 2
    assert after['model_server_requests_in_flight{model="risk-scoring"}'] == 0


def _metrics(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}
