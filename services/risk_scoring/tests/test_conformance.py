"""The server keeps the protocols' texts. Each file in `conformance/` is one sentence of a text: request and answer.

`source` names the text: KServe's V1 protocol, the Open Inference protocol over REST or gRPC, or its extension for
binary tensors. What begins with `$` stands for what the server under test has (`_known`); `binary` names the inputs
whose values follow the JSON. `schema` is JSON Schema of the answer, of an error's text where
gRPC refuses; binary outputs are decoded into `data` first. Every sentence is asked in the clear and over TLS.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from pathlib import Path
from typing import Any

import grpc
import httpx
import jsonschema
import pytest
from google.protobuf import json_format

from model_server.binary_tensors import HEADER
from model_server.open_inference import CONTENTS, MESSAGE
from risk_scoring.dataset import Dataset
from risk_scoring.predictor import Predictor
from risk_service import MODEL, Running, tensors

CASES = sorted((Path(__file__).parent / "conformance").glob("*.json"))
TEXTS = ("KServe, Data Plane", "Inference Protocol, REST", "Inference Protocol, gRPC", "Binary Tensor Data Extension")


def _bytes(tensor: dict[str, Any]) -> bytes:
    """A tensor's values as the texts lay them out."""
    if tensor["datatype"] == "BYTES":
        texts = [value.encode() for value in tensor["data"]]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(tensor['data'])}d", *tensor["data"])


def _values(part: bytes, datatype: str) -> list[Any]:
    """The values of bytes, as `_bytes` lays them out."""
    if datatype == "FP64":
        return list(struct.unpack(f"<{len(part) // 8}d", part))
    values, at = [], 0
    while at < len(part):
        (size,) = struct.unpack_from("<I", part, at)
        values.append(part[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return values


def _typed(tensor: dict[str, Any]) -> dict[str, Any]:
    values = tensor["data"]
    if tensor["datatype"] == "BYTES":
        values = [b64encode(value.encode()).decode() for value in values]  # as JSON writes bytes of a message
    return {**_bare(tensor), "contents": {CONTENTS[tensor["datatype"]]: values}}


def _bare(tensor: dict[str, Any]) -> dict[str, Any]:
    return {key: tensor[key] for key in ("name", "datatype", "shape")}


def _known(row: dict[str, Any], predictor: Predictor) -> dict[str, Any]:
    inputs = tensors([row])
    return {
        "$MODEL": MODEL,
        "$VERSION": predictor.digest[:12],
        "$DECLARATION": row,
        "$TENSORS": inputs,
        "$NESTED": [{**one, "shape": [1, 1], "data": [one["data"]]} for one in inputs],
        "$TYPED": [_typed(one) for one in inputs],
        "$BARE": [_bare(one) for one in inputs],
        "$RAW": [b64encode(_bytes(one)).decode() for one in inputs],
    }


def _filled(value: Any, known: dict[str, Any]) -> Any:
    """`value` with what stands for something replaced, in texts too."""
    if isinstance(value, dict):
        return {key: _filled(entry, known) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, known) for entry in value]
    if isinstance(value, str):
        if value in known:
            return known[value]
        for name in ("$MODEL", "$VERSION"):
            value = value.replace(name, known[name])
    return value


def _asked_over_rest(running: Running, request: dict[str, Any]) -> httpx.Response:
    with running.client() as client:
        if "binary" not in request:
            return client.request(request["method"], request["path"], json=request.get("body"))
        tail = b""
        for tensor in request["body"]["inputs"]:
            if tensor["name"] in request["binary"]:
                part = _bytes(tensor)
                tail += part
                del tensor["data"]
                tensor["parameters"] = {"binary_data_size": len(part)}
        head = json.dumps(request["body"]).encode()
        return client.post(request["path"], content=head + tail, headers={HEADER: str(len(head))})


def _decoded(answer: httpx.Response) -> Any:
    """The JSON of an answer, with binary outputs as `data`; nothing may be left over."""
    if HEADER not in answer.headers:
        assert answer.headers["content-type"] == "application/json"
        return answer.json()
    assert answer.headers["content-type"] == "application/octet-stream"
    at = int(answer.headers[HEADER])
    document = json.loads(answer.content[:at])
    for output in document["outputs"]:
        if (size := output.get("parameters", {}).get("binary_data_size")) is not None:
            assert "data" not in output
            output["data"] = _values(answer.content[at : at + size], output["datatype"])
            at += size
    assert at == len(answer.content)
    return document


def _asked_over_grpc(running: Running, request: dict[str, Any]) -> tuple[str, Any]:
    message = json_format.ParseDict(request["message"], MESSAGE[f"{request['rpc']}Request"]())
    with running.channel() as channel:
        try:
            answer = running.call(channel, request["rpc"], message)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", json_format.MessageToDict(answer, preserving_proto_field_name=True)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_server_keeps_the_protocol(
    either: Running, predictor: Predictor, declarations: Dataset, path: Path
) -> None:
    case = _filled(json.loads(path.read_text()), _known(dict(declarations.rows[0]), predictor))
    if "rpc" in case["request"]:
        status, document = _asked_over_grpc(either, case["request"])
        assert status == case["status"], document
    else:
        answer = _asked_over_rest(either, case["request"])
        assert answer.status_code == case["status"], answer.text
        document = _decoded(answer)
    jsonschema.validate(document, case["schema"], cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_and_operation_has_a_case(text: str) -> None:
    sources = [json.loads(path.read_text())["source"] for path in CASES]
    assert any(text in one for one in sources)
    for operation in ("Server Live", "Server Ready", "Model Ready", "Server Metadata", "Model Metadata", "Inference"):
        for line in ("REST", "gRPC"):
            assert any(operation in one and line in one for one in sources), (operation, line)
