"""The Open Inference protocol over gRPC: the same model, limits and counters as over REST.

Import it in a worker only: gRPC's threads do not live through a fork.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Any

import grpc
import numpy as np

from model_server import binary_tensors
from model_server.application import INLINE_ROWS, Application
from model_server.aside import aside
from model_server.errors import BadRequestError
from model_server.model import Model, Tensor
from model_server.open_inference import CONTENTS, MESSAGE, METHODS, SERVICE
from model_server.protocol import (
    Question,
    add_column,
    check_datatype,
    known_inputs,
    model_metadata,
    records_of,
    server_metadata,
    shape_of,
    shaped,
    unknown_input,
    version_of,
    wanted_outputs,
)
from model_server.settings import TlsSettings

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def parse(model: Model[Any], request: Any, rows_limit: int) -> Question:
    """Read a ModelInferRequest. Raises BadRequestError for what is none, BadRecordError for a record in fault."""
    known = known_inputs(model)
    columns: dict[str, Sequence[Any]] = {}
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise BadRequestError("raw_input_contents", f"{len(raw)} of {len(request.inputs)} tensors", "send one each")
    for i, tensor in enumerate(request.inputs):
        where = f"inputs[{i}]"
        declared = known.get(tensor.name)
        if declared is None:
            raise unknown_input(known, tensor.name, where)
        check_datatype(declared, tensor.datatype, where)
        data = _values(declared, tensor, raw[i] if raw else None, where)
        add_column(columns, declared.name, shaped(declared, data, list(tensor.shape), where), i, rows_limit)
    if not columns:
        raise BadRequestError("inputs", "no tensors", "send one input tensor a field of the record")
    outputs = wanted_outputs(model, [output.name for output in request.outputs])
    options = model.options({name: _parameter(value) for name, value in request.parameters.items()}, outputs)
    return Question(records_of(model, columns), options, request.id or None, outputs, frozenset(outputs if raw else ()))


def _parameter(value: Any) -> Any:
    which = value.WhichOneof("parameter_choice")
    return None if which is None else getattr(value, which)


def _values(declared: Tensor, tensor: Any, raw: bytes | None, where: str) -> list[Any]:
    if raw is not None:
        if tensor.HasField("contents"):
            raise BadRequestError(f"{where}.contents", "beside raw_input_contents", "send one of the two")
        return binary_tensors.Tail(raw, 0).take(len(raw), tensor.datatype, where, declared.raw)
    field = CONTENTS.get(tensor.datatype)
    if field is None:
        raise BadRequestError(f"{where}.datatype", f"{tensor.datatype!r}", f"send {declared.datatype}")
    values = list(getattr(tensor.contents, field))
    return values if tensor.datatype != "BYTES" or declared.raw else binary_tensors.texts(values, where)


def render(model: Model[Any], name: str, question: Question, answers: Any) -> Any:
    """Return the ModelInferResponse: raw contents where the request came so."""
    answer = MESSAGE["ModelInferResponse"](model_name=name, model_version=version_of(model), id=question.id or "")
    answer.parameters["model_digest"].string_param = model.digest
    for declared in model.outputs:
        if declared.name not in question.outputs:
            continue
        column = model.column(answers, declared.name)
        output = answer.outputs.add(name=declared.name, datatype=declared.datatype, shape=shape_of(declared, column))
        flat: Any = column if not declared.shape else np.asarray(column).ravel()
        if question.binary:
            answer.raw_output_contents.append(binary_tensors.pack(flat, declared.datatype))
        elif declared.datatype == "BYTES":
            output.contents.bytes_contents.extend(value.encode() if isinstance(value, str) else value for value in flat)
        else:
            getattr(output.contents, CONTENTS[declared.datatype]).extend(flat)
    return answer


class Servicer:
    """The methods, in one worker."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return the service for a gRPC server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                method: grpc.unary_unary_rpc_method_handler(
                    partial(self._call, method),
                    MESSAGE[f"{method}Request"].FromString,
                    MESSAGE[f"{method}Response"].SerializeToString,
                )
                for method in METHODS
            },
        )

    async def _call(self, method: str, request: Any, context: Any) -> Any:
        if method == "ModelInfer":
            return await self._infer(request, context)
        try:
            return self._tell(method, request)
        except BadRequestError as error:
            await context.abort(CODES.get(error.status, grpc.StatusCode.INVALID_ARGUMENT), str(error))

    def _tell(self, method: str, request: Any) -> Any:
        application, make = self._application, MESSAGE[f"{method}Response"]
        ready = application.ready
        if method == "ServerLive":
            return make(live=True)
        if method == "ServerReady":
            return make(ready=ready)
        if method == "ServerMetadata":
            return make(**server_metadata(application.name))
        application.known(request.name, request.version or None)
        if method == "ModelReady":
            return make(ready=ready)
        told = model_metadata(application.model, application.name)
        told["properties"] = {key: str(value) for key, value in told.pop("parameters").items()}
        return make(**told)

    async def _infer(self, request: Any, context: Any) -> Any:
        application = self._application
        application.telemetry.began()
        start, status, text, answer = time.perf_counter(), 200, "", None
        arm, shadowed, caller, digest = "stable", None, "", ""
        metadata = dict(context.invocation_metadata() or ())
        try:
            if application.access is not None:
                caller = await application.subject(metadata.get("authorization"))
            application.known(request.model_name, request.model_version or None)
            arm, model = application.turn(request.model_version or None, {})
            question = parse(model, request, application.limits.rows)
            work = (arm, model, "grpc", question.records, question.options)
            if len(question.records) > INLINE_ROWS:
                arm, model, answers = await aside(application.answered, *work)
            else:
                arm, model, answers = application.answered(*work)
            answer = render(model, application.name, question, answers)
            shadowed, digest = application.after(arm, model, question, answers), model.digest
        except BadRequestError as error:
            status, text = error.status, str(error)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status, text = 500, "internal error; see the server's log"
        application.ended("grpc", status, time.perf_counter() - start, arm, metadata.get("traceparent"))
        if application.journal is not None:
            said = text.encode() if answer is None else answer.SerializeToString(deterministic=True)
            asked = request.SerializeToString(deterministic=True)
            application.journal.note("grpc", status, arm, digest, caller, asked, said)
        if shadowed is not None:
            application.shadow("grpc", *shadowed)
        if answer is None:
            code = grpc.StatusCode.INTERNAL if status == 500 else CODES.get(status, grpc.StatusCode.INVALID_ARGUMENT)
            await context.abort(code, text)
        return answer


async def start(application: Application, address: str, tls: TlsSettings | None) -> Any:
    """Start a server on `address`, which other workers share, and return it."""
    server = grpc.aio.server(
        options=(
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", application.limits.body_bytes),
            ("grpc.max_concurrent_streams", 512),
        )
    )
    server.add_generic_rpc_handlers((Servicer(application).handlers(),))
    if tls is None:
        server.add_insecure_port(address)
    else:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    await server.start()
    return server
