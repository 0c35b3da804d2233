"""The decoders of JSON, binary tensors and gRPC give a question or refuse, whatever comes. Searches are bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from decoders import INPUTS, beginnings, question_of
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_server.binary_tensors import NUMBERS
from model_server.open_inference import CONTENTS, MESSAGE

HERE = Path(__file__).resolve().parent
BOUNDED = settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

shapes = st.lists(st.integers(-1, 4) | st.just(2**62) | st.just(-(2**62)), max_size=4)
kinds = st.sampled_from([*NUMBERS, "BYTES", "BOOL", "BF16", ""])
names = st.sampled_from([*(tensor.name for tensor in INPUTS), "Text", ""])


@BOUNDED
@given(
    tensors=st.lists(
        st.fixed_dictionaries(
            {"name": names, "shape": shapes, "datatype": kinds},
            optional={
                "data": st.recursive(
                    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
                    lambda inner: st.lists(inner, max_size=3),
                    max_leaves=8,
                ),
                "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 24)}) | st.none(),
            },
        ),
        max_size=4,
    ),
    tail=st.binary(max_size=40),
    off=st.integers(-2, 2),
    with_length=st.booleans(),
)
def test_json_with_binary_tensors(tensors: list[Any], tail: bytes, off: int, with_length: bool) -> None:
    head = json.dumps({"inputs": tensors}).encode()
    question_of("v2", head + tail, len(head) + off if with_length else None)


@BOUNDED
@given(
    inputs=st.lists(st.tuples(names, kinds, shapes, st.sampled_from([*set(CONTENTS.values())])), max_size=3),
    raw=st.lists(st.binary(max_size=24), max_size=3),
    values=st.lists(st.integers(0, 1), max_size=4),
    parameter=st.sampled_from(["bool_param", "int64_param", "string_param", "double_param", "uint64_param", ""]),
)
def test_messages_of_grpc(inputs: list[Any], raw: list[bytes], values: list[int], parameter: str) -> None:
    message = MESSAGE["ModelInferRequest"](model_name="m", raw_input_contents=raw)
    for name, kind, shape, field in inputs:
        tensor = message.inputs.add(name=name, datatype=kind, shape=shape)
        if values:
            content = [b"\xff\xfe"[:v] for v in values] if field == "bytes_contents" else values
            getattr(tensor.contents, field).extend(content)
    if parameter:
        value = {"string_param": "1", "bool_param": True}.get(parameter, 1)
        json_format.ParseDict({parameter: value}, message.parameters["p"])
    question_of("grpc", message.SerializeToString())


def test_the_search_begins_from_good_requests() -> None:
    ways = {0: "v1", 1: "grpc", 2: "v2", 3: "v2"}
    for content in beginnings():
        length = int.from_bytes(content[1:3], "little") or None
        assert question_of(ways[content[0]], content[3:], length) is not None


def test_a_short_search_by_coverage_finds_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(HERE / "search_decoders.py"),
        "-runs=4000",
        "-max_total_time=20",
        "-seed=1",
        "corpus",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
