# ruff: noqa: N802 (the protocol names the methods)
"""A provider plugin that stands in for a cloud's: it keeps what it "made" in a file, and fails where it is told to.

The real engine starts it under the name of the official plugin. It proves what the engine does with the program and
what it writes into the state; it proves nothing about the cloud.

Environment: STAND_IN_WORLD (file of what exists), STAND_IN_REFUSES (a type that is not made at all), STAND_IN_BREAKS
(a type that is made and then reported as unfinished), STAND_IN_HANGS (a type whose making never ends).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from portolan.embedded import plugin
from stacks.rehearsal import ANSWERS, MADE

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # Pulumi's own mark of a value that is not known yet


def kind_of(urn: str) -> str:
    """Return the type at the end of a URN's chain of types."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


class World:
    """What exists "at the provider", kept in a file so that it outlives plugin and engine."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def change(self, urn: str, inputs: dict[str, Any] | None) -> None:
        with self._lock:
            known = json.loads(self._path.read_text()) if self._path.is_file() else {}
            if inputs is None:
                known.pop(urn, None)
            else:
                known.setdefault(urn, []).append(inputs)
            self._path.write_text(json.dumps(known))


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """Takes every resource as it comes."""

    def __init__(self, package: str) -> None:
        self._package, self._world = package, World(Path(os.environ["STAND_IN_WORLD"]))

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version(f"pulumi-{self._package}"))

    def Handshake(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "no handshake")

    def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request, context):
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request, context):
        answer = struct_pb2.Struct()
        json_format.ParseDict(ANSWERS[request.tok], answer)
        return provider_pb2.InvokeResponse(**{"return": answer})

    def Check(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request, context):
        olds = request.old_inputs if request.HasField("old_inputs") else request.olds
        changed = json_format.MessageToDict(olds) != json_format.MessageToDict(request.news)
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some)

    def Create(self, request, context):
        kind, name = kind_of(request.urn), request.urn.rsplit("::", 1)[-1]
        inputs = json_format.MessageToDict(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        if kind == os.environ.get("STAND_IN_REFUSES"):
            context.abort(grpc.StatusCode.UNKNOWN, f"AccessDenied: you may not make {kind}")
        self._world.change(request.urn, inputs)
        if kind == os.environ.get("STAND_IN_HANGS"):
            time.sleep(600)
        made = struct_pb2.Struct()
        json_format.ParseDict({"arn": f"arn:aws:stand-in:::{name}", "name": name, **inputs, **MADE.get(kind, {})}, made)
        if kind == os.environ.get("STAND_IN_BREAKS"):
            self._unfinished(context, f"{name}-id", made, request.properties)
        return provider_pb2.CreateResponse(id=f"{name}-id", properties=made)

    def _unfinished(self, context, identity, made, inputs):
        detail = provider_pb2.ErrorResourceInitFailed(
            id=identity, properties=made, inputs=inputs, reasons=["the provider did not finish it in time"]
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message="not finished")
        status.details.add().Pack(detail)
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(grpc.StatusCode.UNKNOWN, "not finished")

    def Read(self, request, context):
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Update(self, request, context):
        made = struct_pb2.Struct()
        json_format.ParseDict(
            {**json_format.MessageToDict(request.olds), **json_format.MessageToDict(request.news)}, made
        )
        return provider_pb2.UpdateResponse(properties=made)

    def Delete(self, request, context):
        self._world.change(request.urn, None)
        return empty_pb2.Empty()

    def Cancel(self, request, context):
        return empty_pb2.Empty()


if __name__ == "__main__":
    stand_in = StandIn(Path(sys.argv[1]).name.removeprefix("pulumi-resource-"))
    del sys.argv[1]
    plugin.serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(stand_in, server))
