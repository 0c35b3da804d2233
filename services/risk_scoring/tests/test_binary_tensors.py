"""Tensors as bytes behind the JSON give the same answers as tensors in it."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from model_server.binary_tensors import HEADER
from risk_scoring.dataset import Dataset
from risk_scoring.predictor import Predictor
from risk_service import MODEL, Running, tensors

PATH = f"/v2/models/{MODEL}/infer"


def _request(inputs: list[dict[str, Any]], names: set[str], **beside: Any) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a request whose tensors in `names` are bytes."""
    head, tail = [], b""
    for tensor in inputs:
        if tensor["name"] in names:
            if tensor["datatype"] == "BYTES":
                part = b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in tensor["data"])
            else:
                part = np.array(tensor["data"], dtype="<f8").tobytes()
            tail += part
            tensor = {k: v for k, v in tensor.items() if k != "data"} | {"parameters": {"binary_data_size": len(part)}}
        head.append(tensor)
    text = json.dumps({"inputs": head, **beside}).encode()
    return text + tail, {HEADER: str(len(text)), "content-type": "application/octet-stream"}


@pytest.mark.parametrize("names", [{"net_mass"}, {"hs6_code", "tax_rate"}, None], ids=["number", "both", "all"])
def test_binary_inputs_are_scored_as_json_ones(
    server: Running, predictor: Predictor, declarations: Dataset, names: set[str] | None
) -> None:
    rows = [dict(row) for row in declarations.rows[:3]]
    body, headers = _request(tensors(rows), names or set(rows[0]))
    with server.client() as client:
        answer = client.post(PATH, content=body, headers=headers).raise_for_status().json()
    assert answer["outputs"][0]["data"] == predictor.predict(rows, reasons=0).scores


@pytest.mark.parametrize("count", [1, 3, 200])
def test_binary_outputs_are_those_of_the_model(
    server: Running, predictor: Predictor, declarations: Dataset, count: int
) -> None:
    rows = [dict(row) for row in declarations.rows[:count]]
    expected = predictor.predict(rows)
    request = {"inputs": tensors(rows), "parameters": {"binary_data_output": True}}
    with server.client() as client:
        answer = client.post(PATH, json=request).raise_for_status()
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[HEADER])
    outputs = json.loads(answer.content[:length])["outputs"]
    parts, at = {}, length
    for output in outputs:
        size = output["parameters"]["binary_data_size"]
        assert "data" not in output
        parts[output["name"]] = answer.content[at : at + size]
        at += size
    assert at == len(answer.content)
    assert np.frombuffer(parts["score"], dtype="<f8").tolist() == expected.scores
    assert _texts(parts["lane"]) == expected.lanes
    assert [json.loads(text) for text in _texts(parts["reasons"])] == expected.reasons


def test_an_output_may_be_binary_alone(server: Running, predictor: Predictor, declarations: Dataset) -> None:
    rows = [dict(declarations.rows[0])]
    wanted = [{"name": "score", "parameters": {"binary_data": True}}, {"name": "lane"}]
    with server.client() as client:
        answer = client.post(PATH, json={"inputs": tensors(rows), "outputs": wanted}).raise_for_status()
    length = int(answer.headers[HEADER])
    score, lane = json.loads(answer.content[:length])["outputs"]
    assert score["parameters"] == {"binary_data_size": 8}
    assert lane["data"] == predictor.predict(rows, reasons=0).lanes
    assert np.frombuffer(answer.content[length:], dtype="<f8").tolist() == predictor.predict(rows, reasons=0).scores


def _texts(part: bytes) -> list[str]:
    texts, at = [], 0
    while at < len(part):
        (size,) = struct.unpack_from("<I", part, at)
        texts.append(part[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return texts
