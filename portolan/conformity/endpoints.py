"""Checks of the scoring endpoint: both protocols, their agreement, the latency and the encryption of the line."""

from __future__ import annotations

import json
import math
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import by_depth
from portolan.conformity.store import FEATURES_THAT_ARE_NUMBERS, declarations_from, object_store
from portolan.platform import access

if TYPE_CHECKING:
    from portolan.conformity.world import World

SAMPLES = 8
SAMPLE_BYTES = 16_384
CALLS = 200
WARM_UP_CALLS = 10
CALLS_SECONDS = 12.0  # a slow service gives fewer calls, never a long verification
TIMEOUT_SECONDS = 10.0
LANES = frozenset({"green", "yellow", "red"})
AGREEMENT = 1e-9  # both protocols run the same model on the same numbers
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0}
LEAST_CALLS = {"p50": 10, "p90": 20, "p95": 40, "p99": 100, "mean": 10, "max": 10, "value": 100}

Declaration = dict[str, Any]


def samples(world: World) -> list[Declaration]:
    """Return a few declarations of the site's own validation data."""

    def read() -> list[Declaration]:
        answer = object_store(world).get_object(
            Bucket="declarations", Key="valid.csv", Range=f"bytes=0-{SAMPLE_BYTES - 1}"
        )
        return declarations_from(answer["Body"].read().decode("utf-8"), SAMPLES)

    return world.remember("samples", read)


def open_inference_request(declarations: Sequence[Declaration]) -> dict[str, Any]:
    """Return the V2 body: one tensor per field."""
    return {
        "inputs": [
            {
                "name": name,
                "datatype": "FP64" if name in FEATURES_THAT_ARE_NUMBERS else "BYTES",
                "shape": [len(declarations)],
                "data": [declaration[name] for declaration in declarations],
            }
            for name in declarations[0]
        ]
    }


def open_inference_outputs(document: dict[str, Any]) -> dict[str, list[Any]]:
    """Return a V2 answer's tensors by name."""
    return {output["name"]: list(output["data"]) for output in document.get("outputs", [])}


def fault_of_predictions(predictions: Sequence[Any], count: int) -> str:
    """Return what is wrong with a V1 answer, empty where nothing is."""
    if len(predictions) != count:
        return f"{len(predictions)} predictions for {count} declarations"
    for number, prediction in enumerate(predictions):
        score = prediction.get("score")
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            return f"prediction {number}: score {score!r} is not between 0 and 1"
        if prediction.get("lane") not in LANES:
            return f"prediction {number}: lane {prediction.get('lane')!r} is none of {', '.join(sorted(LANES))}"
        if not prediction.get("reasons"):
            return f"prediction {number} gives no reason"
    return ""


def fault_of_agreement(predictions: Sequence[Any], outputs: dict[str, list[Any]]) -> str:
    """Return where a V2 answer differs from the V1 answer to the same declarations, empty where it does not."""
    for name in ("score", "lane", "reasons"):
        if len(outputs.get(name, [])) != len(predictions):
            return f"V2 output {name} has {len(outputs.get(name, []))} values for {len(predictions)} declarations"
    for number, prediction in enumerate(predictions):
        score, lane = outputs["score"][number], outputs["lane"][number]
        if abs(score - prediction["score"]) > AGREEMENT or lane != prediction["lane"]:
            return f"declaration {number}: V1 says {prediction['score']} {prediction['lane']}, V2 {score} {lane}"
    return ""


def percentile(sorted_values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile: a value that was measured, never one in between.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50), percentile([1.0, 2.0, 3.0, 4.0], 99)
    (2.0, 4.0)
    """
    rank = max(1, math.ceil(percent / 100 * len(sorted_values)))
    return sorted_values[rank - 1]


def statistic_of(seconds: Sequence[float], statistic: str) -> Reading:
    """Return one statistic of the call times; too few calls give none. `value` is the 99th percentile."""
    if statistic not in LEAST_CALLS:
        return nothing(f"statistic {statistic!r} is none of {', '.join(sorted(LEAST_CALLS))}")
    if len(seconds) < LEAST_CALLS[statistic]:
        return nothing(f"{len(seconds)} calls are too few for {statistic}; {LEAST_CALLS[statistic]} are needed")
    ordered = sorted(seconds)
    if statistic == "max":
        value = ordered[-1]
    elif statistic == "mean":
        value = sum(ordered) / len(ordered)
    else:
        value = percentile(ordered, PERCENTILES.get(statistic, 99.0))
    p50, p99 = percentile(ordered, 50), percentile(ordered, 99)
    detail = f"{len(ordered)} calls of 1 declaration, one after the other: p50 {p50:.4f} s, p99 {p99:.4f} s"
    return Reading(value, detail=detail)


def call_times(client: httpx.Client, path: str, declarations: Sequence[Declaration]) -> list[float]:
    """Return the seconds of each call with one declaration; an answer other than 200 is an error."""
    bodies = [json.dumps({"instances": [declaration]}) for declaration in declarations]
    seconds = []
    begin = time.monotonic()
    for number in range(-WARM_UP_CALLS, CALLS):
        if time.monotonic() - begin > CALLS_SECONDS:
            break
        started = time.perf_counter()
        client.post(path, content=bodies[number % len(bodies)]).raise_for_status()
        if number >= 0:
            seconds.append(time.perf_counter() - started)
    return seconds


def _client(world: World) -> httpx.Client:
    # The site's endpoint is reached directly, whatever proxy this machine uses for other things.
    client: httpx.Client = world.keep_open(
        "endpoint",
        lambda: httpx.Client(
            base_url=world.endpoint,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
            headers={"Content-Type": "application/json", **_authorization(world)},
            verify=_trust(world.endpoint_authority),
        ),
    )
    return client


def _authorization(world: World) -> dict[str, str]:
    # an endpoint outside a cluster, such as a test's, asks for no token
    return (
        access.Access(world.endpoint_authority, access.caller_token(world.api)).headers
        if (world.endpoint_authority and world.kubeconfig.is_file())
        else {}
    )


def _knock(world: World) -> None:
    """Raise httpx.HTTPError where nothing answers: that is to be told before declarations are looked for."""
    _client(world).get("/v2/health/live")


def _trust(authority: Path | None) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=str(authority)) if authority else True


def first_protocol(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the V1 endpoint scores declarations."""
    try:
        _knock(world)
        document = v1_answer(world, subject)
    except httpx.HTTPError as error:
        return Reading(False, detail=f"{world.endpoint}: {_why(error)}")
    fault = fault_of_predictions(document.get("predictions", []), len(samples(world)))
    return Reading(not fault, detail=fault or f"{len(samples(world))} declarations scored")


def v1_answer(world: World, service: str) -> dict[str, Any]:
    """Return the V1 answer to the samples, asked for once."""

    def ask() -> dict[str, Any]:
        answer = _client(world).post(f"/v1/models/{service}:predict", content=json.dumps({"instances": samples(world)}))
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    return world.remember(f"v1/{service}", ask)


def second_protocol(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the V2 endpoint answers, and answers what V1 does."""
    try:
        _knock(world)
        body = json.dumps(open_inference_request(samples(world)))
        answer = _client(world).post(f"/v2/models/{subject}/infer", content=body)
        answer.raise_for_status()
        first = v1_answer(world, subject)
    except httpx.HTTPError as error:
        return Reading(False, detail=f"{world.endpoint}: {_why(error)}")
    fault = fault_of_agreement(first.get("predictions", []), open_inference_outputs(answer.json()))
    return Reading(not fault, detail=fault or "agrees with V1")


def latency(world: World, subject: str, statistic: str) -> Reading:
    """Return a statistic of the time of one call with one declaration."""
    try:
        seconds = world.remember(
            f"latency/{subject}", lambda: call_times(_client(world), f"/v1/models/{subject}:predict", samples(world))
        )
    except httpx.HTTPError as error:
        return nothing(f"{world.endpoint}: {_why(error)}")
    return statistic_of(seconds, statistic)


def encrypted_line(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the endpoint speaks TLS 1.2 or newer."""
    parts = urlsplit(world.endpoint)
    # What is asked is whether the line is encrypted; whom the certificate belongs to is the V1 check's affair.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((str(parts.hostname), parts.port or 443), timeout=TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as line,
        ):
            return Reading(True, detail=str(line.version()))
    except ssl.SSLError:
        return Reading(False, detail=f"{world.endpoint} answers without TLS")
    except OSError as error:
        return Reading(False, detail=f"{world.endpoint}: {error}")


def _why(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code} {error.response.text.strip()[:200]}"
    return f"{type(error).__name__}: {error}".rstrip(": ")


CHECKS = (
    Check(
        "endpoint.v1",
        "the V1 protocol scores declarations of the site's own data: score, lane and reasons",
        "yes/no",
        "POST /v1/models/SERVICE:predict",
        first_protocol,
        ground="measured",
    ),
    Check(
        "endpoint.v2",
        "the Open Inference (V2) protocol answers, and what V1 answers",
        "yes/no",
        "POST /v2/models/SERVICE/infer",
        second_protocol,
        ground="measured",
    ),
    Check(
        "endpoint.latency-seconds",
        f"time of a call with one declaration over up to {CALLS} calls, one after the other; `value` is p99",
        "seconds",
        "POST /v1/models/SERVICE:predict",
        latency,
        tuple(sorted(LEAST_CALLS)),
        ground="measured",
        needs=Needs(alone=True, seconds=by_depth(CALLS_SECONDS)),
    ),
    Check("endpoint.tls", "the endpoint speaks TLS", "yes/no", "TLS handshake", encrypted_line, ground="measured"),
)
