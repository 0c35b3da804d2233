"""KServe's V1 protocol and the Open Inference (V2) protocol over REST, as pure functions on plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import orjson

from model_server import __version__, binary_tensors
from model_server.errors import BadRequestError
from model_server.model import Model, Tensor

EXTENSIONS = ("binary_tensor_data",)
VERSION_LETTERS = 12  # of a digest, as the version of a model


class Question(NamedTuple):
    """A request that was understood: what to answer and what to tell."""

    records: Sequence[Any]
    options: Any
    id: str | None = None
    outputs: tuple[str, ...] = ()
    binary: frozenset[str] = frozenset()  # outputs that are wanted as binary tensors


def version_of(model: Model[Any]) -> str:
    """Return the version that a model is asked for by."""
    return model.digest[:VERSION_LETTERS]


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the body as a JSON object. Raises BadRequestError that tells where it stops being JSON."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError("body", f"no JSON ({error})", "send a JSON object, without NaN or Infinity") from None
    if not isinstance(document, dict):
        raise BadRequestError("body", "no JSON object", "send a JSON object")
    return document


def check_rows(count: int, limit: int, where: str) -> None:
    """Raise BadRequestError where a request has no record, or more than `limit`."""
    if count < 1:
        raise BadRequestError(where, "no record", "send at least one")
    if count > limit:
        raise BadRequestError(where, f"{count} records", f"send at most {limit} a request", status=413)


def parameters_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's parameters. Raises BadRequestError where they are no JSON object."""
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise BadRequestError("parameters", "no JSON object", "send an object, or leave it out")
    return parameters


def parse_v1(model: Model[Any], body: bytes, rows_limit: int) -> Question:
    """Read `{"instances": [{record}, ...]}`.

    Raises BadRequestError for what is no such request, BadRecordError for a record in fault.
    """
    document = parse_json(body)
    instances = document.get("instances")
    if not isinstance(instances, list):
        raise BadRequestError("instances", "no list of records", 'send {"instances": [{...}]}')
    check_rows(len(instances), rows_limit, "instances")
    outputs = tuple([output.name for output in model.outputs])
    options = model.options(parameters_of(document), outputs)
    read = model.read
    return Question([read(one, f"instances[{i}]") for i, one in enumerate(instances)], options)


def render_v1(model: Model[Any], answers: Any) -> bytes:
    """Return the V1 answer."""
    return orjson.dumps(
        {"predictions": model.instances(answers), "model_digest": model.digest}, option=orjson.OPT_SERIALIZE_NUMPY
    )


def parse_v2(model: Model[Any], body: bytes, rows_limit: int, json_length: int | None = None) -> Question:
    """Read an inference request with one input tensor a field, of shape [n], [n, 1] or [n, ...] as the model says.

    `json_length` is the request's `Inference-Header-Content-Length`: binary tensors follow so many bytes of JSON.
    Raises BadRequestError for what is no such request, BadRecordError for a record in fault.
    """
    if json_length is not None and not 0 < json_length <= len(body):
        raise BadRequestError(
            binary_tensors.HEADER, f"{json_length} of a body of {len(body)} bytes", "send the length of its JSON"
        )
    document = parse_json(body if json_length is None else body[:json_length])
    tail = None if json_length is None else binary_tensors.Tail(body, json_length)
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise BadRequestError("id", "no string", "send a string, or leave it out")
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise BadRequestError("inputs", "no list of tensors", "send one input tensor a field of the record")
    known = known_inputs(model)
    columns: dict[str, Sequence[Any]] = {}
    for i, tensor in enumerate(inputs):
        declared, data = _tensor(known, tensor, f"inputs[{i}]", tail)
        add_column(columns, declared.name, data, i, rows_limit)
    if tail is not None:
        tail.done()
    outputs = _outputs(model, document)
    parameters = parameters_of(document)
    options = model.options(parameters, outputs)
    return Question(records_of(model, columns), options, identity, outputs, _binary(document, parameters, outputs))


def known_inputs(model: Model[Any]) -> dict[str, Tensor]:
    """Return a model's inputs by every title that they have."""
    known = {tensor.name: tensor for tensor in model.inputs}
    return known | {title: known[name] for title, name in model.aliases.items()}


def add_column(columns: dict[str, Sequence[Any]], name: str, data: Sequence[Any], place: int, rows_limit: int) -> None:
    """Add an input's values. Raises BadRequestError where it was there before, or has another number of records."""
    if name in columns:
        raise BadRequestError(f"inputs[{place}].name", f"{name!r} twice", "send one tensor a field")
    rows = len(next(iter(columns.values()), data))
    if rows != len(data):
        remedy = "give every tensor one value a record"
        raise BadRequestError(f"inputs[{place}].shape", f"{len(data)} values where the first has {rows}", remedy)
    check_rows(rows, rows_limit, f"inputs[{place}].shape")
    columns[name] = data


def records_of(model: Model[Any], columns: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Return the records that columns hold, each checked."""
    # A missing text is an empty string here, because a tensor has a value for every row.
    records = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [model.read(record, f"inputs row {i}") for i, record in enumerate(records)]


def wanted_outputs(model: Model[Any], names: Sequence[Any]) -> tuple[str, ...]:
    """Return the wanted outputs in the model's order, all where none is named. Raises BadRequestError."""
    known = [output.name for output in model.outputs]
    for i, name in enumerate(names):
        if name not in known:
            raise BadRequestError(f"outputs[{i}].name", f"no output {name!r}", f"ask for {', '.join(known)}")
    return tuple(name for name in known if not names or name in names)


def _outputs(model: Model[Any], document: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = document.get("outputs")
    if wanted is not None and not isinstance(wanted, list):
        raise BadRequestError("outputs", "no list", 'send [{"name": ...}], or leave it out')
    return wanted_outputs(model, [one.get("name") if isinstance(one, dict) else None for one in wanted or ()])


def _binary(document: Mapping[str, Any], parameters: Mapping[str, Any], outputs: Sequence[str]) -> frozenset[str]:
    """Return the outputs wanted as binary tensors: those that say so themselves, else what the request says for all."""
    own: dict[str, Any] = {}
    for one in document.get("outputs") or ():
        wanted = one.get("parameters", {})
        if not isinstance(wanted, dict):
            raise BadRequestError("outputs.parameters", "no JSON object", 'send {"binary_data": true}')
        own[one["name"]] = wanted.get("binary_data")
    every = parameters.get("binary_data_output", False)
    return frozenset(name for name in outputs if (every if own.get(name) is None else own[name]) is True)


def _tensor(
    known: Mapping[str, Tensor], tensor: object, where: str, tail: binary_tensors.Tail | None
) -> tuple[Tensor, Sequence[Any]]:
    if not isinstance(tensor, dict):
        raise BadRequestError(where, "no tensor", "send name, shape, datatype and data")
    title = tensor.get("name")
    declared = known.get(title) if isinstance(title, str) else None
    if declared is None:
        raise unknown_input(known, title, where)
    data, shape, datatype = tensor.get("data"), tensor.get("shape"), tensor.get("datatype")
    parameters = tensor.get("parameters", {})
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        if tail is None:
            remedy = f"send the length of the JSON in {binary_tensors.HEADER}, and the values after it"
            raise BadRequestError(f"{where}.parameters.binary_data_size", "no binary tensors follow", remedy)
        if data is not None:
            raise BadRequestError(f"{where}.data", "beside binary_data_size", "send one of the two")
        data = tail.take(size, datatype, where, declared.raw)
    elif "data" not in tensor:
        raise BadRequestError(f"{where}.data", "missing", "send the values")
    if not isinstance(data, list):
        raise BadRequestError(f"{where}.data", "no list", "send one value a record")
    check_datatype(declared, datatype, where)
    return declared, shaped(declared, data, shape, where)


def unknown_input(known: Mapping[str, Tensor], title: object, where: str) -> BadRequestError:
    """Return the error of an input that the model has not."""
    names = dict.fromkeys(tensor.name for tensor in known.values())
    return BadRequestError(f"{where}.name", f"no field {title!r}", f"known are {', '.join(names)}")


def check_datatype(declared: Tensor, datatype: object, where: str) -> None:
    """Raise BadRequestError where text comes as a number or a number as text."""
    if declared.datatype == "BYTES":
        if datatype != "BYTES":
            raise BadRequestError(f"{where}.datatype", f"{datatype!r} for text", "send BYTES")
    elif not isinstance(datatype, str) or datatype not in binary_tensors.NUMBERS:
        raise BadRequestError(f"{where}.datatype", f"{datatype!r} for a number", f"send {declared.datatype}")


def shaped(declared: Tensor, data: list[Any], shape: object, where: str) -> Sequence[Any]:
    """Return one value, or one array, a record. Raises BadRequestError where the values are not of the shape."""
    if declared.shape:
        return _arrays(declared, data, shape, where)
    # the protocol allows [[a], [b]] for shape [2, 1]
    if data and all(isinstance(value, list) and len(value) == 1 for value in data):
        data = [value[0] for value in data]
    if shape not in ([len(data)], [len(data), 1]):
        raise BadRequestError(f"{where}.shape", f"{shape} for {len(data)} values", f"send [{len(data)}]")
    return data


def _arrays(declared: Tensor, data: list[Any], shape: object, where: str) -> Sequence[Any]:
    told = shape if isinstance(shape, list) and all(type(one) is int and one >= 0 for one in shape) else []
    like = len(told) == 1 + len(declared.shape) and all(
        wanted in (-1, one) for wanted, one in zip(declared.shape, told[1:], strict=True)
    )
    if not like:
        raise BadRequestError(f"{where}.shape", f"{shape!r:.80}", f"send {[-1, *declared.shape]}, -1 as it comes")
    try:
        values = np.asarray(data, dtype=binary_tensors.NUMBERS[declared.datatype])
    except (ValueError, TypeError, OverflowError):
        raise BadRequestError(f"{where}.data", f"no numbers of {declared.datatype}", "send numbers") from None
    if values.size != prod(told):
        raise BadRequestError(f"{where}.shape", f"{told} for {values.size} values", "send as many as the shape says")
    return list(values.reshape(told))


def render_v2(model: Model[Any], name: str, question: Question, answers: Any) -> tuple[bytes, int | None]:
    """Return the Open Inference answer. The second value is the length of its JSON where binary tensors follow."""
    tail: list[bytes] = []
    outputs: list[dict[str, Any]] = []
    for declared in model.outputs:
        if declared.name not in question.outputs:
            continue
        column = model.column(answers, declared.name)
        output: dict[str, Any] = {
            "name": declared.name,
            "shape": shape_of(declared, column),
            "datatype": declared.datatype,
        }
        if declared.name in question.binary:
            tail.append(binary_tensors.pack(column, declared.datatype))
            output["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            output["data"] = column if not declared.shape else np.asarray(column).ravel()
        outputs.append(output)
    answer: dict[str, Any] = {
        "model_name": name,
        "model_version": version_of(model),
        "parameters": {"model_digest": model.digest},
        "outputs": outputs,
    }
    if question.id is not None:
        answer["id"] = question.id
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join((head, *tail)), len(head)) if tail else (head, None)


def shape_of(declared: Tensor, column: Sequence[Any]) -> list[int]:
    """Return the shape of an output's values."""
    return [len(column)] if not declared.shape else list(np.shape(column))


def server_metadata(name: str) -> dict[str, Any]:
    """Return what `GET /v2` tells."""
    return {"name": f"portolan-{name}", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(model: Model[Any], name: str) -> dict[str, Any]:
    """Return what `GET /v2/models/MODEL` tells: the tensors, the digest and what the model tells of itself."""
    return {
        "name": name,
        "versions": [version_of(model)],
        "platform": model.platform,
        "inputs": [tensor.document() for tensor in model.inputs],
        "outputs": [tensor.document() for tensor in model.outputs],
        "parameters": {"model_digest": model.digest, **model.details},
    }
