"""Whatever is sent, the answer is 200 or one message with a status below 500. The search is bounded and repeatable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_server.binary_tensors import HEADER, NUMBERS
from risk_scoring.dataset import Dataset
from risk_scoring.schema import COLUMNS, Declaration
from risk_service import MODEL, Running, tensors

V1, V2 = f"/v1/models/{MODEL}:predict", f"/v2/models/{MODEL}/infer"
BOUNDED = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([*Declaration.model_fields, *COLUMNS]) | st.text(max_size=8)
changes = st.dictionaries(names, documents, max_size=4)


def _told(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert list(answer.json()) == ["error"]
        assert answer.json()["error"].count(": ") >= 1


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def _send(client: httpx.Client, path: str, body: bytes, headers: dict[str, str] | None = None) -> None:
    _told(client.post(path, content=body, headers=headers or {}))


@BOUNDED
@given(body=st.binary(max_size=300), path=st.sampled_from([V1, V2]))
def test_any_bytes(client: httpx.Client, body: bytes, path: str) -> None:
    _send(client, path, body)


@BOUNDED
@given(document=st.dictionaries(st.sampled_from(["instances", "inputs", "outputs", "parameters", "id"]), documents))
def test_any_document(client: httpx.Client, document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()  # NaN and Infinity too, which are no JSON
    _send(client, V1, body)
    _send(client, V2, body)


@BOUNDED
@given(change=changes, parameters=documents)
def test_a_declaration_with_fields_of_any_kind(
    client: httpx.Client, declarations: Dataset, change: dict[str, Any], parameters: Any
) -> None:
    body = {"instances": [{**declarations.rows[0], **change}], "parameters": parameters}
    _send(client, V1, json.dumps(body).encode())


@BOUNDED
@given(
    change=st.dictionaries(
        st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
        documents | st.sampled_from(["BYTES", *NUMBERS]) | st.lists(st.integers(-1, 3), max_size=3),
        max_size=3,
    ),
    which=st.integers(0, 16),
    outputs=documents,
)
def test_tensors_with_parts_of_any_kind(
    client: httpx.Client, declarations: Dataset, change: dict[str, Any], which: int, outputs: Any
) -> None:
    inputs = tensors([dict(declarations.rows[0])])
    inputs[which % len(inputs)].update(change)
    _send(client, V2, json.dumps({"inputs": inputs, "outputs": outputs}).encode())


@BOUNDED
@given(
    tail=st.binary(max_size=60),
    size=st.integers(-1, 60) | scalars,
    kind=st.sampled_from(["BYTES", "BOOL", *NUMBERS]),
    field=st.sampled_from(["net_mass", "hs6_code"]),
    off=st.integers(-3, 3),
)
def test_binary_tensors_of_any_bytes(
    client: httpx.Client, tail: bytes, size: Any, kind: str, field: str, off: int
) -> None:
    tensor = {"name": field, "shape": [1], "datatype": kind, "parameters": {"binary_data_size": size}}
    text = json.dumps({"inputs": [tensor]}).encode()
    _send(client, V2, text + tail, {HEADER: str(len(text) + off)})


@BOUNDED
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    path=st.text("abcv12/:.%-_ 0é", max_size=30),
)
def test_any_path_and_method(client: httpx.Client, method: str, path: str) -> None:
    assert client.request(method, f"{str(client.base_url).rstrip('/')}/{quote(path, safe='/:%')}").status_code < 500
