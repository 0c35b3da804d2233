"""The endpoint's checks against a server on the loopback: what is right passes, each way to be wrong is found."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portolan.conformity import endpoints
from portolan.conformity.store import declarations_from
from portolan.conformity.world import World, opened
from portolan.requirements.loader import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.engine import size

REPOSITORY = Path(__file__).parents[3]
DECLARATIONS = [
    {"hs6_code": "090111", "country_of_origin": "FR", "tax_rate": 8.0, "net_mass": 10.0, "item_price": 100.0},
    {"hs6_code": "440890", "country_of_origin": "BE", "tax_rate": 0.0, "net_mass": 108.0, "item_price": 372.0},
]
SERVICE = "risk-scoring"


def score(declaration):
    return declaration["item_price"] / (1000.0 + declaration["net_mass"])


def prediction(declaration):
    reasons = [{"feature": "item_price", "value": declaration["item_price"], "contribution": 0.1}]
    return {"score": score(declaration), "lane": "green", "reasons": reasons}


def answer_v1(document):
    return {"predictions": [prediction(entry) for entry in document["instances"]], "model_digest": "ab12"}


def answer_v2(document):
    count = document["inputs"][0]["shape"][0]
    columns = {entry["name"]: entry["data"] for entry in document["inputs"]}
    rows = [{name: values[number] for name, values in columns.items()} for number in range(count)]
    output = [prediction(row) for row in rows]
    return {
        "outputs": [
            {"name": "score", "datatype": "FP64", "shape": [count], "data": [entry["score"] for entry in output]},
            {"name": "lane", "datatype": "BYTES", "shape": [count], "data": [entry["lane"] for entry in output]},
            {
                "name": "reasons",
                "datatype": "BYTES",
                "shape": [count],
                "data": [json.dumps(e["reasons"]) for e in output],
            },
        ]
    }


@contextmanager
def served(v1=answer_v1, v2=answer_v2, status=200):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # headers and body leave in one piece

        def do_POST(self):
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps((v1 if self.path.startswith("/v1/") else v2)(document)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with opened(world_at(f"http://127.0.0.1:{server.server_port}")) as world:
            yield world
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PLAN = size(load_site(REPOSITORY / "sites" / "sandbox.yaml"), load_requirements())


def world_at(endpoint):
    world = World(plan=PLAN, hosts={}, kubeconfig=Path("/nonexistent"), endpoint=endpoint)
    world.remember("samples", lambda: DECLARATIONS)
    return world


def test_a_service_that_speaks_both_protocols_passes():
    with served() as world:
        assert endpoints.first_protocol(world, SERVICE, "value").value is True
        assert endpoints.second_protocol(world, SERVICE, "value").value is True
        assert endpoints.v1_answer(world, SERVICE)["model_digest"] == "ab12"


def test_calls_are_timed_one_by_one():
    with served() as world:
        reading = endpoints.latency(world, SERVICE, "p99")
        assert 0 < reading.value < endpoints.TIMEOUT_SECONDS
        assert "p50" in reading.detail
        assert endpoints.latency(world, SERVICE, "p50").value <= reading.value


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d["predictions"].pop(), "1 predictions for 2"),
        (lambda d: d["predictions"][1].update(score=1.5), "prediction 1: score 1.5"),
        (lambda d: d["predictions"][0].update(score="high"), "prediction 0: score 'high'"),
        (lambda d: d["predictions"][0].update(score=True), "prediction 0: score True"),
        (lambda d: d["predictions"][0].update(lane="blue"), "lane 'blue'"),
        (lambda d: d["predictions"][0].update(reasons=[]), "prediction 0 gives no reason"),
        (lambda d: d.pop("predictions"), "0 predictions for 2"),
    ],
)
def test_a_wrong_v1_answer_is_found(spoil, words):
    def wrong(document):
        answer = answer_v1(document)
        spoil(answer)
        return answer

    with served(v1=wrong) as world:
        reading = endpoints.first_protocol(world, SERVICE, "value")
        assert reading.value is False
        assert words in reading.detail


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d["outputs"][0]["data"].__setitem__(1, 0.5), "declaration 1"),
        (lambda d: d["outputs"][1]["data"].__setitem__(0, "red"), "declaration 0"),
        (lambda d: d["outputs"].pop(), "V2 output reasons has 0 values"),
        (lambda d: d.pop("outputs"), "V2 output score has 0 values"),
    ],
)
def test_a_v2_answer_that_differs_from_v1_is_found(spoil, words):
    def wrong(document):
        answer = answer_v2(document)
        spoil(answer)
        return answer

    with served(v2=wrong) as world:
        reading = endpoints.second_protocol(world, SERVICE, "value")
        assert reading.value is False
        assert words in reading.detail


def test_an_error_of_the_service_is_no_pass_and_no_latency():
    with served(status=503) as world:
        assert endpoints.first_protocol(world, SERVICE, "value").value is False
        assert "503" in endpoints.first_protocol(world, SERVICE, "value").detail
        assert endpoints.second_protocol(world, SERVICE, "value").value is False
        assert endpoints.latency(world, SERVICE, "p99").value is None


def test_a_service_that_is_not_there_is_no_pass_and_no_latency():
    with opened(world_at("http://127.0.0.1:9")) as world:
        assert endpoints.first_protocol(world, SERVICE, "value").value is False
        assert endpoints.encrypted_line(world, SERVICE, "value").value is False
        assert endpoints.latency(world, SERVICE, "p99").value is None


def test_plain_http_is_no_encrypted_line():
    with served() as world:
        reading = endpoints.encrypted_line(world, SERVICE, "value")
        assert reading.value is False
        assert "without TLS" in reading.detail


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.sampled_from([50.0, 90.0, 95.0, 99.0, 100.0]))
def test_a_percentile_is_a_value_that_was_measured_and_bounds_its_share(values, percent):
    found = endpoints.percentile(sorted(values), percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values)


@pytest.mark.parametrize("statistic", sorted(endpoints.LEAST_CALLS))
def test_too_few_calls_give_no_statistic(statistic):
    least = endpoints.LEAST_CALLS[statistic]
    assert endpoints.statistic_of([0.1] * (least - 1), statistic).value is None
    assert endpoints.statistic_of([0.1] * least, statistic).value == pytest.approx(0.1)


def test_an_unknown_statistic_is_no_measurement():
    assert endpoints.statistic_of([0.1] * 1000, "p12").value is None


def test_declarations_are_read_from_the_beginning_of_a_file_without_their_labels():
    text = "HS6 Code,Tax Rate,Net Mass,Item Price,Fraud,Critical Fraud\n090111,8.0,1,2,1,0\n440890,0.0,3,4,0,0\n44"
    found = declarations_from(text, 10)
    assert [entry["hs6_code"] for entry in found] == ["090111", "440890"]
    assert set(found[0]) == {"hs6_code", "tax_rate", "net_mass", "item_price"}
    assert len(declarations_from(text, 1)) == 1
