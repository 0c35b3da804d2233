"""The predictor is killed: it comes back by itself, and requests succeed again."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.support.declarations import DECLARATIONS

BACK_SECONDS = 120
ANSWERS_IN_A_ROW = 5
SELECTOR = "serving.kserve.io/inferenceservice=risk-scoring"


def answers(sandbox) -> bool:
    try:
        with sandbox.client() as client:
            answer = client.post("/v1/models/risk-scoring:predict", json={"instances": DECLARATIONS}, timeout=5)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


def wait_for(condition, seconds):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s"
        time.sleep(0.5)
    return time.monotonic() - begin


def predictors(sandbox):
    return sandbox.core.list_namespaced_pod("risk-scoring", label_selector=SELECTOR).items


def is_ready(pod):
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or [])


@pytest.mark.slow
def test_killed_predictors_come_back_and_answer(sandbox, record_property, capsys):
    before = {pod.metadata.name for pod in predictors(sandbox)}
    assert before
    assert answers(sandbox)
    for name in before:
        sandbox.core.delete_namespaced_pod(name, "risk-scoring", grace_period_seconds=0)

    refused: list[float] = []
    in_a_row = 0

    def back():
        nonlocal in_a_row
        in_a_row = in_a_row + 1 if answers(sandbox) else 0
        if in_a_row == 0:
            refused.append(time.monotonic())
        pods = predictors(sandbox)
        new = [pod for pod in pods if pod.metadata.name not in before and is_ready(pod)]
        return len(new) == len(pods) == len(before) and in_a_row >= ANSWERS_IN_A_ROW

    seconds = wait_for(back, BACK_SECONDS)
    outage = refused[-1] - refused[0] if refused else 0.0
    record_property("seconds_until_whole", round(seconds, 1))
    record_property("seconds_without_answer", round(outage, 1))
    with capsys.disabled():
        print(f" [whole again after {seconds:.1f} s, {outage:.1f} s without an answer]", end="")
