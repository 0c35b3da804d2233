"""Scores are asked for at a fixed rate while pods and versions of the model come and go: nobody is left unanswered."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from portolan.conformity.reach import forwarded
from portolan.conformity.world import NODE_PORT
from portolan.platform.access import access_of
from tests.support.declarations import DECLARATIONS
from tests.support.open_loop import Calls, Client, asking
from tests.support.sandbox import REPOSITORY
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = pytest.mark.full

NAMESPACE = NAME = "risk-scoring"
PER_SECOND = 10  # of all callers; two cores carry the whole site beside it
BEFORE_SECONDS = AFTER_SECONDS = 5
PATH = f"/v1/models/{NAME}:predict"
SYSTEM, BUCKET = "portolan-system", "models"
Keep = Callable[..., None]


def pods(stage: ScenarioSite) -> list[dict[str, Any]]:
    return stage.objects("pods", "-n", NAMESPACE, "-l", f"serving.kserve.io/inferenceservice={NAME}")


def whole(stage: ScenarioSite) -> bool:
    """Say whether all pods of the service are those of its latest form, ready, and none is going."""
    found = json.loads(stage.kubectl("get", "deployment", f"{NAME}-predictor", "-n", NAMESPACE, "-o", "json"))
    status, replicas = found["status"], found["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    return seen and counts == {replicas} and all("deletionTimestamp" not in pod["metadata"] for pod in pods(stage))


def endpoints(stage: ScenarioSite) -> list[str]:
    return [f"https://{stage.addresses[worker].address}:{NODE_PORT}" for worker in stage.workers]


@pytest.fixture
def callers(stage: ScenarioSite) -> Iterator[Client]:
    """Callers with a token, over TLS, of every worker's port in turn; the service is whole before they begin."""
    wait_for("the service is whole", lambda: whole(stage), seconds=420, pause_seconds=2)
    way = access_of(stage.site.name)
    body = {"instances": [DECLARATIONS[0]]}
    client = Client(endpoints(stage), PATH, body, headers=way.headers, verify=way.trust())
    yield client
    client.close()


def keep(figure: Keep, what: str, calls: Calls) -> None:
    """Keep what the callers saw."""
    command = f"{PER_SECOND} requests/s, open loop, half on kept connections"
    figure(f"{what}: requests", len(calls.calls), "requests", command)
    figure(f"{what}: lost", len(calls.lost), "requests", command)
    figure(f"{what}: had to ask again", len(calls.failed_at_first), "requests", command)
    figure(f"{what}: p99 from the intended time", calls.quantile_seconds(0.99), "s", command)
    figure(f"{what}: longest from the intended time", calls.longest_seconds, "s", command)
    for saw, count in calls.what_failed().most_common(5):
        figure(f"{what}: saw {saw[:120]}", count, "tries", command)


@contextmanager
def under_load(callers: Client, what: str, figure: Keep) -> Iterator[Calls]:
    """Ask before, while and after something is done, and keep what came of it."""
    with asking(callers.ask, PER_SECOND) as calls:
        time.sleep(BEFORE_SECONDS)
        assert not calls.what_failed(), "it did not answer before anything was done"
        yield calls
        time.sleep(AFTER_SECONDS)
    keep(figure, what, calls)


def model_uri(stage: ScenarioSite) -> str:
    document = json.loads(stage.kubectl("get", "inferenceservice", NAME, "-n", NAMESPACE, "-o", "json"))
    environment = document["spec"]["predictor"]["containers"][0]["env"]
    return str(next(one["value"] for one in environment if one["name"] == "STORAGE_URI"))


def serve(stage: ScenarioSite, uri: str) -> None:
    """Have the service serve another model."""
    document = json.loads(stage.kubectl("get", "inferenceservice", NAME, "-n", NAMESPACE, "-o", "json"))
    environment = document["spec"]["predictor"]["containers"][0]["env"]
    place = next(number for number, one in enumerate(environment) if one["name"] == "STORAGE_URI")
    patch = [{"op": "replace", "path": f"/spec/predictor/containers/0/env/{place}/value", "value": uri}]
    stage.kubectl("patch", "inferenceservice", NAME, "-n", NAMESPACE, "--type=json", "-p", json.dumps(patch))


def rolled(stage: ScenarioSite, before: set[str]) -> bool:
    """Say whether none of the pods from before is there and the service is whole."""
    return not before & {pod["metadata"]["name"] for pod in pods(stage)} and whole(stage)


@pytest.fixture(scope="module")
def versions(stage: ScenarioSite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The models: `good`, trained anew, and `bad`, the same with a file that is not what its manifest says."""
    folder = tmp_path_factory.mktemp("versions")
    services = [str(REPOSITORY / "services" / name) for name in ("model_server", "risk_scoring")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(services), "OMP_NUM_THREADS": "1"}
    data, model = str(folder / "data"), str(folder / "model")
    for step in (
        ["risk_scoring.generate", "--out", data, "--rows", "6000", "--seed", "11"],
        ["risk_scoring.train", "--data", data, "--output", model, "--local", "--seeds", "1"],
    ):
        command = [sys.executable, "-m", *step]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
    secret = json.loads(stage.kubectl("get", "secret", "object-store-credentials", "-n", SYSTEM, "-o", "json"))["data"]
    key, password = (base64.b64decode(secret[name]).decode() for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    made = {}
    with forwarded(stage.kubeconfig, SYSTEM, "service/object-store", 8333) as port:
        store = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=password,
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                proxies={},
            ),
        )
        for name in ("good", "bad"):
            made[name] = f"s3://{BUCKET}/risk-scoring/under-load-{name}"
            for path in sorted(Path(model).iterdir()):
                content = path.read_bytes()
                if name == "bad" and path.name == "model.txt":
                    content += b"\n"
                store.put_object(Bucket=BUCKET, Key=f"risk-scoring/under-load-{name}/{path.name}", Body=content)
    return made


def test_a_pod_that_is_deleted_takes_no_request_with_it(stage: ScenarioSite, callers: Client, figure: Keep) -> None:
    before = pods(stage)[0]["metadata"]["name"]
    with under_load(callers, "a pod deleted", figure) as calls:
        stage.kubectl("delete", "pod", before, "-n", NAMESPACE, "--wait=true")
        wait_for("the service is whole again", lambda: whole(stage), seconds=300)
    assert calls.what_failed() == {}


def test_a_server_that_is_killed_costs_callers_another_try_at_most(
    stage: ScenarioSite, callers: Client, figure: Keep
) -> None:
    """Killed without a warning: what it was asked and had not answered fails, and is answered by the other pod."""
    pod = pods(stage)[0]
    status = pod["status"]["containerStatuses"][0]
    container = status["containerID"].removeprefix("containerd://")
    with under_load(callers, "a server killed", figure) as calls:
        stage.output_of(pod["spec"]["nodeName"], f"ctr -n k8s.io tasks kill -s SIGKILL {container}")

        def again() -> bool:
            now = next(one for one in pods(stage) if one["metadata"]["name"] == pod["metadata"]["name"])
            restarted = now["status"]["containerStatuses"][0]["restartCount"] > status["restartCount"]
            return restarted and whole(stage)

        wait_for("the server is back", again, seconds=300)
    assert calls.lost == []


def test_a_new_version_and_the_way_back_are_seen_by_nobody_but_in_the_answers(
    stage: ScenarioSite, callers: Client, figure: Keep, versions: dict[str, str]
) -> None:
    first, digest = model_uri(stage), callers.ask(False)
    for what, uri in (("a new version rolled out", versions["good"]), ("rolled back", first)):
        before = {pod["metadata"]["name"] for pod in pods(stage)}
        begin = time.monotonic()
        with under_load(callers, what, figure) as calls:
            serve(stage, uri)
            wait_for("the new pods answer alone", partial(rolled, stage, before), seconds=600)
            figure(f"{what}: until it alone answers", time.monotonic() - begin - BEFORE_SECONDS, "s")
        assert calls.what_failed() == {}
        assert len(calls.answers()) == 2
        last = callers.ask(False)
        assert (last == digest) is (uri == first)


def test_a_bad_model_is_told_of_and_never_answers(
    stage: ScenarioSite, callers: Client, figure: Keep, versions: dict[str, str]
) -> None:
    first = model_uri(stage)
    before = {pod["metadata"]["name"] for pod in pods(stage)}
    try:
        with under_load(callers, "a bad model pushed", figure) as calls:
            serve(stage, versions["bad"])

            def refused() -> str | None:
                for pod in pods(stage):
                    name = pod["metadata"]["name"]
                    statuses = pod["status"].get("containerStatuses") or [{}]
                    if name not in before and statuses[0].get("restartCount", 0) > 0:
                        return stage.kubectl("logs", name, "-n", NAMESPACE, "-c", "kserve-container", "--previous")
                return None

            said = wait_for("the new pod says what is wrong", refused, seconds=300)
            time.sleep(10)
    finally:
        serve(stage, first)
    assert "model.txt" in said
    assert "Traceback" not in said
    assert calls.what_failed() == {}
    assert len(calls.answers()) == 1
    wait_for("the service is whole again", lambda: whole(stage), seconds=300)


def test_callers_without_a_token_are_refused_all_the_while(stage: ScenarioSite) -> None:
    """The load above was no special way in."""
    stranger = Client(
        endpoints(stage), PATH, {"instances": [DECLARATIONS[0]]}, verify=access_of(stage.site.name).trust()
    )
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        stranger.ask(False)
    stranger.close()
