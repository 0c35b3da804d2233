"""The messages of the Open Inference protocol over gRPC, described once, as the protocol's text numbers them.

They are made when this module is imported: no compiler and no generated file. They live in a pool of their own, so
another library's messages of the same names do no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_KINDS = {
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "int32": 5,
    "int64": 3,
    "uint32": 13,
    "uint64": 4,
    "float": 2,
    "double": 1,
}
_PARAMETERS = "map<string,InferParameter>"

# Message: its fields in the order of their numbers; `*` repeats, `|` is one of the message's only choice.
MESSAGES: Mapping[str, tuple[str, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("live bool",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("ready bool",),
    "ModelReadyRequest": ("name string", "version string"),
    "ModelReadyResponse": ("ready bool",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("name string", "version string", "extensions *string"),
    "ModelMetadataRequest": ("name string", "version string"),
    "TensorMetadata": ("name string", "datatype string", "shape *int64"),
    "ModelMetadataResponse": (
        *("name string", "versions *string", "platform string", "inputs *TensorMetadata", "outputs *TensorMetadata"),
        "properties map<string,string>",
    ),
    "InferParameter": (
        *("bool_param |bool", "int64_param |int64", "string_param |string", "double_param |double"),
        "uint64_param |uint64",
    ),
    "InferTensorContents": (
        *("bool_contents *bool", "int_contents *int32", "int64_contents *int64", "uint_contents *uint32"),
        *("uint64_contents *uint64", "fp32_contents *float", "fp64_contents *double", "bytes_contents *bytes"),
    ),
    "InferInputTensor": (
        *("name string", "datatype string", "shape *int64", f"parameters {_PARAMETERS}"),
        "contents InferTensorContents",
    ),
    "InferRequestedOutputTensor": ("name string", f"parameters {_PARAMETERS}"),
    "ModelInferRequest": (
        *("model_name string", "model_version string", "id string", f"parameters {_PARAMETERS}"),
        *("inputs *InferInputTensor", "outputs *InferRequestedOutputTensor", "raw_input_contents *bytes"),
    ),
    "InferOutputTensor": (
        *("name string", "datatype string", "shape *int64", f"parameters {_PARAMETERS}"),
        "contents InferTensorContents",
    ),
    "ModelInferResponse": (
        *("model_name string", "model_version string", "id string", f"parameters {_PARAMETERS}"),
        *("outputs *InferOutputTensor", "raw_output_contents *bytes"),
    ),
}

CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def _typed(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind in _KINDS:
        field.type = _KINDS[kind]
    else:
        field.type, field.type_name = 11, f".{PACKAGE}.{kind}"


def _message(file: descriptor_pb2.FileDescriptorProto, name: str, fields: tuple[str, ...]) -> None:
    message = file.message_type.add(name=name)
    for number, text in enumerate(fields, 1):
        title, kind = text.split(" ", 1)
        field = message.field.add(name=title, number=number, label=3 if kind.startswith(("*", "map<")) else 1)
        if kind.startswith("map<"):
            value = kind[len("map<string,") : -1]
            entry = message.nested_type.add(name=f"{title.capitalize()}Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=1, type=_KINDS["string"])
            _typed(entry.field.add(name="value", number=2, label=1), value)
            field.type, field.type_name = 11, f".{PACKAGE}.{name}.{entry.name}"
            continue
        if kind.startswith("|"):
            if not message.oneof_decl:
                message.oneof_decl.add(name="parameter_choice")
            field.oneof_index = 0
        _typed(field, kind.lstrip("*|"))


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="open_inference.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        _message(file, name, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES}


MESSAGE = _classes()
METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
