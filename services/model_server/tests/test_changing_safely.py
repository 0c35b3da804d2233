"""A version is changed under load, shared, compared and taken back, and no caller notices a failure."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from conftest import Place, Server, serving


@contextmanager
def load(server: Server, askers: int = 2) -> Iterator[list[tuple[int, str]]]:
    """Ask without a pause, over connections that are kept, as long as the block lasts."""
    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not stop.is_set():
                answer = server.ask(client)
                answers.append((answer.status_code, answer.json().get("model_digest", answer.text)))

    threads = [threading.Thread(target=ask) for _ in range(askers)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def test_a_new_version_takes_over_and_goes_back_without_a_lost_request(place: Place) -> None:
    old, new = place.publish(), place.publish(factor=0.5)
    with serving(place.folder, MODEL_SERVER_WORKERS="2") as server, load(server) as answers:
        for digest in (new, old):
            begin = len(answers)
            assert place.run("promote", digest) == 0
            server.wait_for(lambda digest=digest: {d for _, d in answers[-40:]} == {digest})
            server.wait_for(lambda begin=begin: len(answers) > begin + 100)
    assert {status for status, _ in answers} == {200}
    assert {digest for _, digest in answers} == {old, new}


def test_a_canary_gets_exactly_its_share(place: Place) -> None:
    place.publish()
    candidate = place.publish(factor=0.5)
    assert place.run("canary", candidate, "--percent", "7") == 0
    with serving(place.folder) as server, httpx.Client() as client:
        share = Counter(server.ask(client).json()["model_digest"] for _ in range(300))
        assert share[candidate] == 21
        metrics = server.metrics()
    labels = 'model="peers",arm="candidate",protocol="v1",status="200"'
    assert metrics[f"model_server_requests_total{{{labels}}}"] == 21


def test_a_unit_of_an_ab_test_always_meets_the_same_version(place: Place) -> None:
    place.publish()
    candidate = place.publish(factor=0.5)
    assert place.run("ab", candidate, "--percent", "40") == 0
    with serving(place.folder, MODEL_SERVER_WORKERS="2") as server, httpx.Client() as client:
        met: dict[str, set[str]] = {}
        for i in range(400):
            unit = f"importer-{i % 200}"
            answer = server.ask(client, headers={"x-traffic-unit": unit})
            met.setdefault(unit, set()).add(answer.json()["model_digest"])
    assert all(len(digests) == 1 for digests in met.values())
    assert 0.25 < sum(candidate in digests for digests in met.values()) / len(met) < 0.55


def test_a_shadow_is_compared_and_callers_see_nothing_of_it(place: Place) -> None:
    stable, shadow = place.publish(), place.publish(factor=0.5)
    assert place.run("shadow", shadow) == 0
    with serving(place.folder) as server, httpx.Client() as client:
        for i in range(40):
            assert server.ask(client, price=i / 40).json()["model_digest"] == stable
        server.wait_for(lambda: (lambda c: c["records"] + c["requests_not_compared"])(server.told("comparison")) == 40)
        report = server.told("comparison")
    assert report["records"] > 0
    assert set(report["changes"]) <= {"usual to low"}
    assert report["same_outcome"] + sum(report["changes"].values()) == report["records"]
    assert 0 < report["mean_absolute_difference"] < 0.5


def test_what_is_seen_to_fail_before_it_answers_is_never_let_in(place: Place) -> None:
    stable, bad = place.publish(), place.publish(fails=True)
    with serving(place.folder) as server:
        server.ask()
        assert place.run("promote", bad) == 0
        server.wait_for(lambda: "cannot answer what is asked now" in server.log.read_text())
        assert server.ask().json()["model_digest"] == stable
        assert server.metrics()['model_server_load_failures_total{model="peers"}'] == 1


def test_errors_take_a_candidate_back(place: Place) -> None:
    stable, bad = place.publish(), place.publish(fails=True)
    assert place.run("canary", bad, "--percent", "50", "--requests-least", "20") == 0
    with serving(place.folder) as server, load(server) as answers:
        server.wait_for(lambda: "taken_back" in (place.folder / "traffic.json").read_text())
        assert server.metrics()['model_server_rollbacks_total{model="peers"}'] == 1
    assert {status for status, _ in answers} == {200}
    assert {digest for _, digest in answers} == {stable}
    noted = json.loads((place.folder / "traffic.json").read_text())["taken_back"]
    assert noted["digest"] == bad
    assert noted["why"].startswith("errors")


def test_latency_takes_a_candidate_back(place: Place) -> None:
    place.publish()
    slow = place.publish(seconds=0.03)
    options = ("--percent", "50", "--requests-least", "30", "--latency-seconds-least", "0.01", "--drift-most", "99")
    assert place.run("canary", slow, *options) == 0
    with serving(place.folder) as server, load(server):
        server.wait_for(lambda: "taken_back" in (place.folder / "traffic.json").read_text())
    assert json.loads((place.folder / "traffic.json").read_text())["taken_back"]["why"].startswith("latency")


def test_drift_of_its_scores_takes_a_candidate_back(place: Place) -> None:
    place.publish()
    far = place.publish(factor=0.01)
    assert place.run("canary", far, "--percent", "50") == 0
    with serving(place.folder) as server, load(server):
        server.wait_for(lambda: "taken_back" in (place.folder / "traffic.json").read_text(), 40)
    assert json.loads((place.folder / "traffic.json").read_text())["taken_back"]["why"].startswith("drift")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("changed", "is not the file that MANIFEST.json seals"),
        ("unsigned", "only signed models are served here"),
        ("foreign", "not the trusted key's signature"),
    ],
)
def test_a_bad_model_changes_nothing(place: Place, tmp_path: Path, spoil: str, says: str) -> None:
    stable, bad = place.publish(), place.publish(factor=0.5)
    version = place.folder / "versions" / bad
    with serving(place.folder, MODEL_SERVER_TRUSTED_KEY_FILE=str(tmp_path / "key.pub")) as server:
        if spoil == "changed":
            (version / "peers.json").write_text("{}")
        elif spoil == "unsigned":
            (version / "MANIFEST.sig").unlink()
        else:
            from model_server import signing
            from model_server.storage import Folder

            signing.sign(Folder(version), signing.new_key())
        policy = json.loads((place.folder / "traffic.json").read_text())
        (place.folder / "traffic.json").write_text(json.dumps({**policy, "stable": bad}))
        server.wait_for(lambda: says in server.log.read_text())
        answer = server.ask()
        assert (answer.status_code, answer.json()["model_digest"]) == (200, stable)


def test_drift_is_measured_once_there_is_enough(place: Place) -> None:
    place.publish()
    with serving(place.folder) as server, httpx.Client() as client:
        for _ in range(50):
            server.ask(client)
        assert server.told("drift")["fields"]["goods"]["verdict"] == "not measured"
        body = {"instances": [{"goods": "salt", "price": 0.05}] * 200}
        client.post(f"{server.url}/v1/models/peers:predict", json=body).raise_for_status()
        fields = server.told("drift")["fields"]
        metrics = server.metrics()
    assert fields["goods"]["verdict"] == fields["score"]["verdict"] == "alarm"
    assert metrics['model_server_drift_psi{model="peers",field="goods"}'] > 0.25
