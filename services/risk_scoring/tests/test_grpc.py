"""V2 over gRPC tells what the model tells, to the last bit, and refuses what REST refuses."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from model_server.open_inference import CONTENTS, MESSAGE, SERVICE
from risk_scoring.dataset import Dataset
from risk_scoring.predictor import Predictor
from risk_service import MODEL, Running, tensors


@pytest.fixture(scope="module")
def channel(server: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


def call(channel: grpc.Channel, method: str, request: Any = None, **fields: Any) -> Any:
    invoke = channel.unary_unary(
        f"/{SERVICE}/{method}",
        request_serializer=MESSAGE[f"{method}Request"].SerializeToString,
        response_deserializer=MESSAGE[f"{method}Response"].FromString,
    )
    return invoke(request or MESSAGE[f"{method}Request"](**fields), timeout=20)


def inference(rows: list[dict[str, Any]], **fields: Any) -> Any:
    request = MESSAGE["ModelInferRequest"](model_name=MODEL, **fields)
    for tensor in tensors(rows):
        one = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        values = [v.encode() for v in tensor["data"]] if tensor["datatype"] == "BYTES" else tensor["data"]
        getattr(one.contents, CONTENTS[tensor["datatype"]]).extend(values)
    return request


def raw(rows: list[dict[str, Any]]) -> Any:
    request = MESSAGE["ModelInferRequest"](model_name=MODEL)
    for tensor in tensors(rows):
        request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        if tensor["datatype"] == "BYTES":
            texts = [value.encode() for value in tensor["data"]]
            content = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            content = struct.pack(f"<{len(tensor['data'])}d", *tensor["data"])
        request.raw_input_contents.append(content)
    return request


@pytest.mark.parametrize("count", [1, 40])
def test_scores_lanes_and_reasons_are_the_models_own(
    channel: grpc.Channel, predictor: Predictor, declarations: Dataset, count: int
) -> None:
    rows = [dict(row) for row in declarations.rows[:count]]
    answer = call(channel, "ModelInfer", inference(rows, id="7"))
    direct = predictor.predict(rows)
    found = {output.name: output for output in answer.outputs}
    assert list(found["score"].contents.fp64_contents) == direct.scores
    assert [text.decode() for text in found["lane"].contents.bytes_contents] == direct.lanes
    assert [json.loads(text) for text in found["reasons"].contents.bytes_contents] == direct.reasons
    assert (answer.id, answer.model_version) == ("7", predictor.digest[:12])
    assert answer.parameters["model_digest"].string_param == predictor.digest


def test_raw_contents_are_answered_by_raw_contents(
    channel: grpc.Channel, predictor: Predictor, declarations: Dataset
) -> None:
    rows = [dict(row) for row in declarations.rows[:3]]
    answer = call(channel, "ModelInfer", raw(rows))
    assert answer.raw_output_contents[0] == struct.pack("<3d", *predictor.predict(rows).scores)
    assert [output.name for output in answer.outputs] == ["score", "lane", "reasons"]


def test_rest_and_grpc_agree(server: Running, channel: grpc.Channel, declarations: Dataset) -> None:
    rows = [dict(row) for row in declarations.rows[:5]]
    rest = httpx.post(f"{server.url}/v2/models/{MODEL}/infer", json={"inputs": tensors(rows)}).json()
    answer = call(channel, "ModelInfer", inference(rows))
    assert list(answer.outputs[0].contents.fp64_contents) == rest["outputs"][0]["data"]


def test_only_wanted_outputs_are_told(channel: grpc.Channel, declarations: Dataset) -> None:
    request = inference([dict(declarations.rows[0])])
    request.outputs.add(name="score")
    assert [output.name for output in call(channel, "ModelInfer", request).outputs] == ["score"]


def test_health_and_metadata(channel: grpc.Channel, predictor: Predictor, declarations: Dataset) -> None:
    assert call(channel, "ServerLive").live
    assert call(channel, "ServerReady").ready
    assert call(channel, "ModelReady", name=MODEL).ready
    assert call(channel, "ModelReady", name=MODEL, version=predictor.digest[:12]).ready
    assert call(channel, "ServerMetadata").name == f"portolan-{MODEL}"
    told = call(channel, "ModelMetadata", name=MODEL)
    assert {one.name for one in told.inputs} == set(declarations.rows[0])
    assert next((one.name, one.datatype, list(one.shape)) for one in told.outputs) == ("score", "FP64", [-1])
    assert told.properties["model_digest"] == predictor.digest


def _other_model(request: Any) -> None:
    request.model_name = "other"


def _no_version(request: Any) -> None:
    request.model_version = "0"


def _no_inputs(request: Any) -> None:
    del request.inputs[:]


def _wrong_shape(request: Any) -> None:
    request.inputs[0].shape[0] = 9


def _wrong_type(request: Any) -> None:
    request.inputs[0].datatype = "FP64"


def _unknown_tensor(request: Any) -> None:
    request.inputs[0].name = "fraud"


def _unknown_output(request: Any) -> None:
    request.outputs.add(name="fraud")


def _no_utf8(request: Any) -> None:
    request.inputs[0].contents.bytes_contents[0] = b"\xff"


def _some_raw(request: Any) -> None:
    request.raw_input_contents.append(b"")


def _bad_declaration(request: Any) -> None:
    next(t for t in request.inputs if t.name == "hs6_code").contents.bytes_contents[0] = b"12"


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (_other_model, grpc.StatusCode.NOT_FOUND, "no model 'other'"),
        (_no_version, grpc.StatusCode.NOT_FOUND, "no version '0'"),
        (_no_inputs, grpc.StatusCode.INVALID_ARGUMENT, "inputs: no tensors"),
        (_wrong_shape, grpc.StatusCode.INVALID_ARGUMENT, "inputs[0].shape"),
        (_wrong_type, grpc.StatusCode.INVALID_ARGUMENT, "inputs[0].datatype"),
        (_unknown_tensor, grpc.StatusCode.INVALID_ARGUMENT, "no field 'fraud'"),
        (_unknown_output, grpc.StatusCode.INVALID_ARGUMENT, "no output 'fraud'"),
        (_no_utf8, grpc.StatusCode.INVALID_ARGUMENT, "no UTF-8"),
        (_some_raw, grpc.StatusCode.INVALID_ARGUMENT, "raw_input_contents"),
        (_bad_declaration, grpc.StatusCode.INVALID_ARGUMENT, "hs6_code"),
    ],
)
def test_what_is_no_request_is_refused_with_a_remedy(
    channel: grpc.Channel, declarations: Dataset, spoil: Any, code: grpc.StatusCode, says: str
) -> None:
    request = inference([dict(declarations.rows[0])])
    spoil(request)
    with pytest.raises(grpc.RpcError) as refused:
        call(channel, "ModelInfer", request)
    assert refused.value.code() == code
    assert says in refused.value.details()
    assert "; " in refused.value.details()
