"""KServe's V1 protocol and the Open Inference (V2) protocol over REST, as pure functions on plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from risk_scoring import __version__, binary_tensors
from risk_scoring.errors import BadRequestError
from risk_scoring.features import FEATURES
from risk_scoring.predictor import REASONS, Predictions, Predictor
from risk_scoring.schema import FIELD_OF_COLUMN, NUMERIC_FIELDS, Declaration, Row, parse_declaration

OUTPUTS = {"score": "FP64", "lane": "BYTES", "reasons": "BYTES"}
EXTENSIONS = ("binary_tensor_data",)


@dataclass(frozen=True)
class Question:
    """A request that was understood: what to score and what to tell."""

    rows: Sequence[Row]
    reasons: int = REASONS
    id: str | None = None
    outputs: tuple[str, ...] = tuple(OUTPUTS)
    binary: frozenset[str] = frozenset()  # outputs that are wanted as binary tensors


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the body as a JSON object. Raises BadRequestError that tells where it stops being JSON."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError("body", f"no JSON ({error})", "send a JSON object, without NaN or Infinity") from None
    if not isinstance(document, dict):
        raise BadRequestError("body", "no JSON object", "send a JSON object")
    return document


def _limit(count: int, limit: int, where: str) -> None:
    if count < 1:
        raise BadRequestError(where, "no declaration", "send at least one")
    if count > limit:
        raise BadRequestError(where, f"{count} declarations", f"send at most {limit} a request", status=413)


def _reasons(document: Mapping[str, Any]) -> int:
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise BadRequestError("parameters", "no JSON object", 'send {"reasons": 3}')
    reasons = parameters.get("reasons", REASONS)
    if isinstance(reasons, bool) or not isinstance(reasons, int) or not 0 <= reasons <= len(FEATURES):
        raise BadRequestError("parameters.reasons", "no number of reasons", f"send 0 to {len(FEATURES)}")
    return reasons


def parse_v1(body: bytes, rows_limit: int) -> Question:
    """Read `{"instances": [{declaration}, ...]}`.

    Raises BadRequestError for what is no such request, BadDeclarationError for a declaration in fault.
    """
    document = parse_json(body)
    instances = document.get("instances")
    if not isinstance(instances, list):
        raise BadRequestError("instances", "no list of declarations", 'send {"instances": [{...}]}')
    _limit(len(instances), rows_limit, "instances")
    reasons = _reasons(document)
    return Question([parse_declaration(one, f"instances[{i}]") for i, one in enumerate(instances)], reasons)


def render_v1(predictor: Predictor, question: Question, predictions: Predictions) -> bytes:
    """Return the V1 answer."""
    reasons: Sequence[Sequence[dict[str, Any]]] = predictions.reasons or [[]] * len(predictions.scores)
    return orjson.dumps(
        {
            "predictions": [
                {"score": score, "lane": lane, "reasons": why}
                for score, lane, why in zip(predictions.scores, predictions.lanes, reasons, strict=True)
            ],
            "model_digest": predictor.digest,
        }
    )


def parse_v2(body: bytes, rows_limit: int, json_length: int | None = None) -> Question:
    """Read an inference request with one input tensor a field, of shape [n] or [n, 1].

    `json_length` is the request's `Inference-Header-Content-Length`: binary tensors follow so many bytes of JSON.
    Raises BadRequestError for what is no such request, BadDeclarationError for a declaration in fault.
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
        raise BadRequestError("inputs", "no list of tensors", "send one input tensor a field of the declaration")
    columns: dict[str, list[Any]] = {}
    rows = -1
    for i, tensor in enumerate(inputs):
        name, data = _tensor(tensor, f"inputs[{i}]", tail)
        if name in columns:
            raise BadRequestError(f"inputs[{i}].name", f"{name!r} twice", "send one tensor a field")
        if rows not in (-1, len(data)):
            remedy = "give every tensor one value a declaration"
            raise BadRequestError(f"inputs[{i}].shape", f"{len(data)} values where the first has {rows}", remedy)
        rows = len(data)
        _limit(rows, rows_limit, f"inputs[{i}].shape")
        columns[name] = data
    if tail is not None:
        tail.done()
    outputs = _outputs(document)
    reasons = _reasons(document) if "reasons" in outputs else 0
    # A missing seller or courier is an empty string here, because a tensor has a value for every row.
    records = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    parsed = [parse_declaration(record, f"inputs row {i}") for i, record in enumerate(records)]
    return Question(parsed, reasons, identity, outputs, _binary(document, outputs))


def _outputs(document: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = document.get("outputs")
    if wanted is None or wanted == []:
        return tuple(OUTPUTS)
    if not isinstance(wanted, list):
        raise BadRequestError("outputs", "no list", f"ask for {', '.join(OUTPUTS)}")
    names = [one.get("name") if isinstance(one, dict) else None for one in wanted]
    for i, name in enumerate(names):
        if name not in OUTPUTS:
            raise BadRequestError(f"outputs[{i}].name", f"no output {name!r}", f"ask for {', '.join(OUTPUTS)}")
    return tuple(name for name in OUTPUTS if name in names)


def _binary(document: Mapping[str, Any], outputs: Sequence[str]) -> frozenset[str]:
    """Return the outputs wanted as binary tensors: those that say so themselves, else what the request says for all."""
    parameters = document.get("parameters", {})
    own: dict[str, Any] = {}
    for one in document.get("outputs") or ():
        wanted = one.get("parameters", {})
        if not isinstance(wanted, dict):
            raise BadRequestError("outputs.parameters", "no JSON object", 'send {"binary_data": true}')
        own[one["name"]] = wanted.get("binary_data")
    every = parameters.get("binary_data_output", False) if isinstance(parameters, dict) else False
    return frozenset(name for name in outputs if (every if own.get(name) is None else own[name]) is True)


def _tensor(tensor: object, where: str, tail: binary_tensors.Tail | None) -> tuple[str, list[Any]]:
    if not isinstance(tensor, dict):
        raise BadRequestError(where, "no tensor", "send name, shape, datatype and data")
    title = tensor.get("name")
    name = FIELD_OF_COLUMN.get(title, title) if isinstance(title, str) else None
    if name not in Declaration.model_fields:
        remedy = f"known are {', '.join(Declaration.model_fields)}"
        raise BadRequestError(f"{where}.name", f"no field {title!r}", remedy)
    data, shape, datatype = tensor.get("data"), tensor.get("shape"), tensor.get("datatype")
    parameters = tensor.get("parameters", {})
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None:
        if tail is None:
            remedy = f"send the length of the JSON in {binary_tensors.HEADER}, and the values after it"
            raise BadRequestError(f"{where}.parameters.binary_data_size", "no binary tensors follow", remedy)
        if data is not None:
            raise BadRequestError(f"{where}.data", "beside binary_data_size", "send one of the two")
        data = tail.take(size, datatype, where)
    elif "data" not in tensor:
        raise BadRequestError(f"{where}.data", "missing", "send the values")
    if not isinstance(data, list):
        raise BadRequestError(f"{where}.data", "no list", "send one value a declaration")
    # the protocol allows [[a], [b]] for shape [2, 1]
    if data and all(isinstance(value, list) and len(value) == 1 for value in data):
        data = [value[0] for value in data]
    if shape not in ([len(data)], [len(data), 1]):
        raise BadRequestError(f"{where}.shape", f"{shape} for {len(data)} values", f"send [{len(data)}]")
    if name in NUMERIC_FIELDS:
        if datatype not in binary_tensors.NUMBERS:
            raise BadRequestError(f"{where}.datatype", f"{datatype!r} for a number", "send FP64")
    elif datatype != "BYTES":
        raise BadRequestError(f"{where}.datatype", f"{datatype!r} for text", "send BYTES")
    return str(name), data


def render_v2(
    predictor: Predictor, model: str, question: Question, predictions: Predictions
) -> tuple[bytes, int | None]:
    """Return the Open Inference answer; `reasons` holds the JSON list of each declaration.

    The second value is the length of its JSON where binary tensors follow.
    """
    count = len(predictions.scores)
    data: dict[str, Sequence[Any]] = {"score": predictions.scores, "lane": predictions.lanes}
    if "reasons" in question.outputs:
        data["reasons"] = [orjson.dumps(why).decode() for why in predictions.reasons or [[]] * count]
    tail: list[bytes] = []
    outputs: list[dict[str, Any]] = []
    for name in question.outputs:
        output: dict[str, Any] = {"name": name, "shape": [count], "datatype": OUTPUTS[name]}
        if name in question.binary:
            tail.append(binary_tensors.pack(data[name], OUTPUTS[name]))
            output["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            output["data"] = data[name]
        outputs.append(output)
    answer: dict[str, Any] = {
        "model_name": model,
        "model_version": predictor.digest[:12],
        "parameters": {"model_digest": predictor.digest},
        "outputs": outputs,
    }
    if question.id is not None:
        answer["id"] = question.id
    head = orjson.dumps(answer)
    return (b"".join((head, *tail)), len(head)) if tail else (head, None)


def server_metadata() -> dict[str, Any]:
    """Return what `GET /v2` tells."""
    return {"name": "portolan-risk-scoring", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(predictor: Predictor, model: str) -> dict[str, Any]:
    """Return what `GET /v2/models/MODEL` tells: the tensors, the digest and the lanes' thresholds."""
    return {
        "name": model,
        "versions": [predictor.digest[:12]],
        "platform": "lightgbm",
        "inputs": [
            {"name": name, "datatype": "FP64" if name in NUMERIC_FIELDS else "BYTES", "shape": [-1]}
            for name in Declaration.model_fields
        ],
        "outputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in OUTPUTS.items()],
        "parameters": {
            "model_digest": predictor.digest,
            "red_from": predictor.red,
            "yellow_from": predictor.yellow,
            "trained": predictor.card.get("created", ""),
        },
    }
