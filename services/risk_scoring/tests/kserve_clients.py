"""Ask a server by KServe's own Python clients; run by an interpreter that has KServe's SDK.

Reads a JSON object from standard input: url, grpc, model, rows, authority (a certificate's file, or null) and token.
Prints what the clients gave: by way of asking the scores, lanes and reasons, and what they say of health.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig


def inputs(rows: list[dict[str, Any]], binary: bool) -> list[InferInput]:
    made = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        text = isinstance(values[0], str)
        one = InferInput(name=name, shape=[len(rows)], datatype="BYTES" if text else "FP64", data=values)
        if binary:
            one = InferInput(name=name, shape=[len(rows)], datatype="BYTES" if text else "FP64")
            one.set_data_from_numpy(np.array(values, dtype=object if text else np.float64), binary_data=True)
        made.append(one)
    return made


def told(response: Any) -> dict[str, Any]:
    found = {output.name: output.as_numpy().tolist() for output in response.outputs}
    return {
        name: [value.decode() if isinstance(value, bytes) else value for value in values]
        for name, values in found.items()
    }


async def rest(asked: dict[str, Any]) -> dict[str, Any]:
    url, model, rows = asked["url"], asked["model"], asked["rows"]
    headers = {"authorization": f"Bearer {asked['token']}"} if asked["token"] else {}
    verify = asked["authority"] or True
    v1 = InferenceRESTClient(RESTConfig(protocol="v1", verify=verify))
    v2 = InferenceRESTClient(RESTConfig(protocol="v2", verify=verify))
    predictions = (await v1.infer(url, {"instances": rows}, model, headers=dict(headers)))["predictions"]
    found: dict[str, Any] = {"v1": {key: [one[key] for one in predictions] for key in ("score", "lane", "reasons")}}
    for way, binary in (("v2", False), ("v2 binary", True)):
        parameters = {"binary_data_output": True} if binary else None
        request = InferRequest(model, inputs(rows, binary), request_id="7", parameters=parameters)
        answer = await v2.infer(url, request, model, headers=dict(headers))
        found[way] = told(answer) | {"id": answer.id}
    found["health"] = [
        await v1.is_server_live(url),
        await v2.is_server_live(url),
        await v2.is_server_ready(url),
        await v1.is_model_ready(url, model),
        await v2.is_model_ready(url, model),
        not await v2.is_model_ready(url, "other"),
    ]
    return found


async def grpc(asked: dict[str, Any]) -> dict[str, Any]:
    metadata = (("authorization", f"Bearer {asked['token']}"),) if asked["token"] else ()
    options = {"use_ssl": bool(asked["authority"]), "root_certificates": asked["authority"]}
    found: dict[str, Any] = {}
    async with InferenceGRPCClient(asked["grpc"], **options) as client:
        for way, binary in (("grpc", False), ("grpc raw", True)):
            request = InferRequest(asked["model"], inputs(asked["rows"], binary), request_id="7")
            answer = await client.infer(request, headers=metadata)
            found[way] = told(answer) | {"id": answer.id}
        found["health over grpc"] = [
            await client.is_server_live(),
            await client.is_server_ready(),
            await client.is_model_ready(asked["model"]),
        ]
    return found


async def main() -> None:
    asked = json.load(sys.stdin)
    print(json.dumps(await rest(asked) | await grpc(asked)))


if __name__ == "__main__":
    asyncio.run(main())
