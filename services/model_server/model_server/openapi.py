"""The server's paths as an OpenAPI document, made from the model that it serves: `GET /openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_server import __version__, binary_tensors
from model_server.decisions import Decision, Result
from model_server.model import Model, Tensor

OPENAPI = "3.1.0"
TOKEN = "bearer"

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
OBJECT: Schema = {"type": "object"}
_ERRORS = {
    "400": "The request is not what the protocol says.",
    "401": "No token, or none that is good.",
    "403": "The token's owner may not call this model.",
    "404": "No such path, model or version.",
    "405": "Not the method of this path.",
    "408": "The body did not come in time.",
    "413": "More records or bytes than the limits.",
    "422": "A record is in fault; the message names it and what to send instead.",
    "500": "The server is in fault.",
    "503": "The cluster does not say whose token it is, or the log does not take the record; try again.",
    "504": "Not answered in time.",
}
_TOLD = ("404", "405")


def _object(required: Sequence[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _answered(schema: Schema, status: str = "200", media: str = "application/json") -> dict[str, Any]:
    return {status: {"description": "The answer.", "content": {media: {"schema": schema}}}}


def _refused(statuses: Sequence[str]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": _ERRORS[status], "content": content} for status in statuses}


def _get(summary: str, schema: Schema, unready: bool = False, parameters: Sequence[Any] = ()) -> dict[str, Any]:
    answers = _answered(schema) | (_answered(schema, "503") if unready else {}) | _refused(_TOLD)
    return {"get": {"summary": summary, "responses": answers, **({"parameters": [*parameters]} if parameters else {})}}


def _post(summary: str, body: Schema, answer: Mapping[str, Any], more: Sequence[Any] = ()) -> dict[str, Any]:
    statuses = [status for status in _ERRORS if status not in answer]
    operation = {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {**answer, **_refused(statuses)},
    }
    return {"post": operation | ({"parameters": [*more]} if more else {})}


def _value(tensor: Tensor) -> Schema:
    return TEXT if tensor.datatype == "BYTES" and not tensor.shape else {} if tensor.shape else {"type": "number"}


def record_of(model: Model[Any]) -> Schema:
    """Return the JSON Schema of one record: the model's own `record_schema`, else what its inputs say."""
    own: Schema | None = getattr(model, "record_schema", None)
    return own or _object((), **{tensor.name: _value(tensor) for tensor in model.inputs})


def _tensors(model: Model[Any]) -> tuple[Schema, Schema]:
    """Return the schemas of an inference request and of its answer."""
    numbers = list(binary_tensors.NUMBERS)
    shape: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
    names = [tensor.name for tensor in model.inputs] + list(model.aliases)
    size = _object((), binary_data_size={"type": "integer", "minimum": 0})
    one = _object(
        ("name", "shape", "datatype"),
        name={"enum": names},
        shape=shape,
        datatype={"enum": ["BYTES", *numbers]},
        parameters=size,
        data={"type": "array"},
    )
    outputs = [output.name for output in model.outputs]
    wanted = _object(("name",), name={"enum": outputs}, parameters=_object((), binary_data={"type": "boolean"}))
    asked = _object(
        ("inputs",),
        id=TEXT,
        parameters=OBJECT,
        inputs={"type": "array", "minItems": 1, "items": one},
        outputs={"type": "array", "items": wanted},
    )
    given = _object(
        ("name", "shape", "datatype"), name={"enum": outputs}, shape=shape, datatype=TEXT, data={"type": "array"}
    )
    answered = _object(
        ("model_name", "model_version", "outputs"),
        model_name=TEXT,
        model_version=TEXT,
        id=TEXT,
        parameters=OBJECT,
        outputs={"type": "array", "items": given},
    )
    return asked, answered


def _decision(model: Model[Any]) -> Schema:
    schema = Decision.model_json_schema()
    for field in ("told", "decision") if model.outcomes else ():
        schema["properties"][field] = {"enum": list(model.outcomes)}
    return schema


def document(model: Model[Any], name: str, rows: int, guarded: bool, logged: bool) -> dict[str, Any]:
    """Return the OpenAPI document of a server of `model`, which asks for tokens or not, and keeps a log or not."""
    digest: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    length = {
        "name": binary_tensors.HEADER,
        "in": "header",
        "schema": {"type": "string", "pattern": "^[0-9]{1,11}$"},
        "description": "Bytes of the JSON, where binary tensors follow it.",
    }
    record = {"$ref": "#/components/schemas/Record"}
    instances = {"type": "array", "minItems": 1, "maxItems": rows, "items": record}
    predictions = _object(("predictions", "model_digest"), predictions={"type": "array"}, model_digest=digest)
    ready = _object(("ready",), ready={"type": "boolean"}, name=TEXT)
    described = _object(("name", "versions", "platform", "inputs", "outputs"), name=TEXT, platform=TEXT)
    asked, inferred = _tensors(model)
    infer = _answered(inferred)
    infer["200"]["content"]["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    v1, v2 = f"/v1/models/{name}", f"/v2/models/{name}"
    open_paths = {
        "/": _get("Whether the server lives", _object(("status", "model", "model_digest"), model_digest=digest)),
        "/metrics": {
            "get": {
                "summary": "Counters for Prometheus",
                "responses": _answered(TEXT, media="text/plain") | _refused(_TOLD),
            }
        },
        "/v1/models": _get("The models", _object(("models",), models={"type": "array", "items": TEXT})),
        v1: _get("Whether the model is ready", ready, unready=True),
        f"{v1}/versions": _get("Which versions answer", _object(("policy", "arms", "seen"))),
        f"{v1}/comparison": _get("How a shadow's answers differ", OBJECT),
        f"{v1}/drift": _get("How far what is asked is from the training's reference", _object(("fields",))),
        "/v2": _get("The server", _object(("name", "version", "extensions"), name=TEXT, version=TEXT)),
        "/v2/health/live": _get("Whether the server lives", _object(("live",), live={"const": True})),
        "/v2/health/ready": _get("Whether the server is ready", ready, unready=True),
        v2: _get("The model", described),
        f"{v2}/ready": _get("Whether the model is ready", ready, unready=True),
        f"{v2}/versions/{{version}}": _get("A version of it", described, parameters=[version]),
        f"{v2}/versions/{{version}}/ready": _get("Whether it is ready", ready, unready=True, parameters=[version]),
    }
    predict = _object(("instances",), instances=instances, parameters=OBJECT)
    closed_paths = {
        f"{v1}:predict": _post("Answer records", predict, _answered(predictions)),
        f"{v2}/infer": _post("Answer records given as tensors", asked, infer, [length]),
        f"{v2}/versions/{{version}}/infer": _post("By one version", asked, infer, [version, length]),
    }
    if logged:
        recorded = _answered(_object(("recorded",), recorded=digest, override={"type": "boolean"}), "201")
        closed_paths |= {
            f"{v1}/decisions": _post("Record an officer's decision", _decision(model), recorded),
            f"{v1}/results": _post("Record what an inspection came to", Result.model_json_schema(), recorded),
        }
    components: dict[str, Any] = {"schemas": {"Error": _object(("error",), error=TEXT), "Record": record_of(model)}}
    if guarded:
        components["securitySchemes"] = {TOKEN: {"type": "http", "scheme": "bearer"}}
        for path in closed_paths.values():
            path["post"]["security"] = [{TOKEN: []}]
    return {
        "openapi": OPENAPI,
        "info": {"title": name, "version": __version__, "description": f"Model {model.digest}."},
        "paths": open_paths | closed_paths,
        "components": components,
    }
