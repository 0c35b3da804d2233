"""What the searches of test_decoders.py and search_decoders.py try: whatever bytes come, a question or a refusal."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from model_server.errors import BadRecordError, BadRequestError
from model_server.grpc_server import parse
from model_server.model import Tensor
from model_server.open_inference import MESSAGE
from model_server.protocol import Question, parse_v1, parse_v2

ROWS_MOST = 50
INPUTS = (
    Tensor("text", "BYTES"),
    Tensor("number", "FP64"),
    Tensor("image", "BYTES", raw=True),
    Tensor("pixels", "FP32", (2, -1)),
    Tensor("count", "INT64"),
)


class Anything:
    """A model that takes records as they come."""

    platform, outcomes, details, card, digest = "none", (), {}, {}, "0" * 64
    inputs, outputs = INPUTS, (Tensor("score", "FP64"), Tensor("pair", "FP32", (2,)))
    aliases = {"Text": "text"}

    def options(self, parameters: Any, outputs: Any) -> Any:
        return parameters

    def read(self, record: Any, where: str) -> Any:
        if not isinstance(record, dict):
            raise BadRecordError(where, "no record", "send an object")
        return record


def question_of(way: str, data: bytes, json_length: int | None = None) -> Question | None:
    """Return the question that bytes are, None where they are refused; anything else that is raised is a finding."""
    try:
        if way == "grpc":
            return parse(Anything(), MESSAGE["ModelInferRequest"].FromString(data), ROWS_MOST)
        if way == "v1":
            return parse_v1(Anything(), data, ROWS_MOST)
        return parse_v2(Anything(), data, ROWS_MOST, json_length)
    except (BadRequestError, DecodeError):
        return None


def one_input(data: bytes) -> None:
    """Try one input of the search: its first byte says by which way, the next two how long the JSON is."""
    if len(data) < 3:
        return
    rest = data[3:]
    if data[0] % 4 == 0:
        question_of("v1", rest)
    elif data[0] % 4 == 1:
        question_of("grpc", rest)
    else:
        question_of("v2", rest, int.from_bytes(data[1:3], "little") % (len(rest) + 2) if data[0] % 4 == 3 else None)


def beginnings() -> list[bytes]:
    """Return good requests, from which the search begins."""
    number = b'{"inputs":[{"name":"number","shape":[1],"datatype":"FP64","data":[1.5]}]}'
    head = b'{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":7}}]}'
    message = MESSAGE["ModelInferRequest"](model_name="m")
    message.inputs.add(name="pixels", datatype="FP32", shape=[1, 2, 1]).contents.fp32_contents.extend([1, 2])
    raw = MESSAGE["ModelInferRequest"](model_name="m", raw_input_contents=[b"\x01\0\0\0a"])
    raw.inputs.add(name="image", datatype="BYTES", shape=[1])
    return [
        b"\x00\0\0" + b'{"instances":[{"number":1}],"parameters":{}}',
        b"\x02\0\0" + number,
        b"\x03" + len(head).to_bytes(2, "little") + head + b"\x03\0\0\0tea",
        b"\x01\0\0" + message.SerializeToString(),
        b"\x01\0\0" + raw.SerializeToString(),
    ]
