"""A server that is told to stop answers all that it was asked, and is unready meanwhile."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx

from risk_scoring.dataset import Dataset
from risk_service import MODEL, serving


def test_no_request_is_lost(model: Path, declarations: Dataset) -> None:
    body = {"instances": [dict(row) for row in declarations.rows[:400]]}
    seconds_until_noticed = 1.0  # the time that a cluster takes to send no more requests here
    with serving(model, MODEL_SERVER_DRAIN_SECONDS="3") as running:
        statuses: list[int] = []
        told: list[float] = []

        def ask() -> None:
            with running.client() as client:
                while not told or time.monotonic() < told[0] + seconds_until_noticed:
                    statuses.append(client.post(f"/v1/models/{MODEL}:predict", json=body).status_code)

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        while len(statuses) < 3:
            time.sleep(0.02)
        told.append(time.monotonic())
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        ready = httpx.get(f"{running.url}/v2/health/ready", timeout=10)
        for asker in askers:
            asker.join(60)
        assert ready.status_code == 503
        assert running.process.wait(30) == 0
    assert len(statuses) > 3
    assert set(statuses) == {200}


def test_who_keeps_a_connection_open_is_told_to_leave(model: Path, declarations: Dataset) -> None:
    """A connection that is closed between two requests could lose the second one."""
    body = {"instances": [dict(declarations.rows[0])]}
    with serving(model, MODEL_SERVER_DRAIN_SECONDS="3") as running, running.client() as client:
        before = client.post(f"/v1/models/{MODEL}:predict", json=body)
        running.process.send_signal(signal.SIGTERM)
        while client.get("/v2/health/ready").status_code == 200:
            time.sleep(0.02)
        while_draining = client.post(f"/v1/models/{MODEL}:predict", json=body)
    assert (before.status_code, before.headers.get("connection")) == (200, None)
    assert (while_draining.status_code, while_draining.headers["connection"]) == (200, "close")


def test_what_is_in_flight_is_answered_though_nothing_waits(model: Path, declarations: Dataset) -> None:
    body = {"instances": [dict(row) for row in declarations.rows] * 2}
    with serving(model, MODEL_SERVER_DRAIN_SECONDS="0", MODEL_SERVER_ROWS_LIMIT="10000") as running:
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(httpx.post(f"{running.url}/v1/models/{MODEL}:predict", json=body, timeout=60))

        asker = threading.Thread(target=ask)
        asker.start()
        while 'requests_in_flight{model="risk-scoring"} 1' not in httpx.get(f"{running.url}/metrics", timeout=10).text:
            assert asker.is_alive(), "answered before it could be stopped: send more declarations"
        running.process.send_signal(signal.SIGTERM)
        asker.join(60)
        assert running.process.wait(30) == 0
    assert [len(answer.json()["predictions"]) for answer in answers] == [len(body["instances"])]


def test_several_workers_share_their_counters(model: Path, declarations: Dataset) -> None:
    body = {"instances": [dict(declarations.rows[0])]}
    with serving(model, MODEL_SERVER_WORKERS="2", MODEL_SERVER_DRAIN_SECONDS="0") as running:
        for _ in range(20):  # a new connection each, so that both workers get some
            httpx.post(f"{running.url}/v1/models/{MODEL}:predict", json=body, timeout=10).raise_for_status()
        text = httpx.get(f"{running.url}/metrics", timeout=10).text
    assert 'model_server_requests_total{model="risk-scoring",arm="stable",protocol="v1",status="200"} 20' in text
