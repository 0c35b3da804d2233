"""The serving benchmark holds its figures against the peer and the ceiling of the same run, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

import pytest

from benchmarks.figures import good
from benchmarks.serving.__main__ import generator
from benchmarks.serving.cluster import inference_service
from benchmarks.serving.judging import Measured, judged, middle
from benchmarks.serving.servers import EVERY, servers
from tests.support.kserve_definitions import check

FAST = Measured(cpu_microseconds=40, most=20_000, p99_ms=2, memory=100)
SLOW = Measured(cpu_microseconds=500, most=1_900, p99_ms=6, memory=120)


def _changed(one: Measured, **values: float) -> Measured:
    return one.model_copy(update=values)


def _verdicts(found):
    return {one.name: good(one) for one in judged(found, 0.7)}


def test_a_tenth_of_the_peers_time_is_good():
    verdicts = _verdicts({"portolan": FAST, "kserve": SLOW})
    assert verdicts["portolan: processor time a request"] is True
    assert verdicts["portolan: time of a core a request at the most"] is True


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("processor time a request", {"cpu_microseconds": 51}),
        ("time of a core a request at the most", {"most": 18_000}),
        ("latency at 70% of the most", {"p99_ms": 6.5}),
        ("memory a worker", {"memory": 121}),
    ],
)
def test_what_is_worse_than_the_goal_is_missed(what, values):
    assert _verdicts({"portolan": _changed(FAST, **values), "kserve": SLOW})[f"portolan: {what}"] is False


def test_with_reasons_a_fifth_is_good_and_5_ms_are_the_limit_with_no_peer():
    verdicts = _verdicts({"portolan with reasons": _changed(FAST, cpu_microseconds=99, p99_ms=5.5), "kserve": SLOW})
    assert verdicts["portolan with reasons: processor time a request"] is True
    assert verdicts["portolan with reasons: latency at 70% of the most"] is True
    assert verdicts["portolan with reasons: latency at 70% of the most, alone"] is False


def test_memory_is_held_against_the_lighter_peer():
    figures = judged({"portolan": FAST, "kserve": SLOW, "mlserver": _changed(SLOW, memory=90)}, 0.7)
    memory = next(one for one in figures if one.name == "portolan: memory a worker")
    assert (memory.peer, good(memory)) == ("mlserver", False)


def test_peers_and_ceilings_have_no_verdict_of_their_own():
    found = {"portolan": FAST, "ceiling": FAST, "kserve": SLOW, "mlserver": _changed(SLOW, memory=300)}
    names = {name.split(":")[0] for name, verdict in _verdicts(found).items() if verdict is not None}
    assert names == {"portolan"}


def test_less_than_80_percent_of_the_ceiling_is_missed():
    verdicts = _verdicts({"portolan": FAST, "ceiling": _changed(FAST, cpu_microseconds=30)})
    assert verdicts["portolan: processor time against the ceiling"] is False


def test_without_a_peer_there_is_no_verdict_on_it():
    assert [name for name, verdict in _verdicts({"portolan": FAST}).items() if verdict is not None] == []


def test_figures_in_a_cluster_stand_beside_those_that_are_bare():
    names = [{one.name for one in judged({"portolan": FAST}, 0.7, where=where)} for where in ("bare", "in cluster")]
    assert not names[0] & names[1]


def test_the_middle_of_each_quantity_is_kept():
    rounds = [FAST, _changed(FAST, p99_ms=9), _changed(FAST, p99_ms=3)]
    assert middle(rounds) == _changed(FAST, p99_ms=3)


def _inference_service(name):
    server = next(one for one in servers(EVERY) if one.name == name)
    return inference_service(server, "registry.example/risk-scoring:1", "worker-1")


@pytest.mark.parametrize("name", [one.name for one in servers(EVERY)])
def test_every_server_is_an_inference_service_as_kserve_defines_it(name):
    check(_inference_service(name))


def test_a_server_in_a_cluster_has_one_core_on_one_node_and_no_way_to_more():
    predictor = _inference_service("mlserver")["spec"]["predictor"]
    container = predictor["containers"][0]
    assert predictor["nodeSelector"] == {"kubernetes.io/hostname": "worker-1"}
    assert container["resources"]["limits"]["cpu"] == "1"
    assert container["command"] == ["/usr/bin/python3"]
    assert {"name": "PYTHONPATH", "value": "/benchmark/packages-mlserver"} in container["env"]
    assert "{" not in json.dumps([container["args"], container["env"]]).replace('{"name"', "")


def test_ours_runs_in_its_own_image_as_it_is():
    container = _inference_service("portolan")["spec"]["predictor"]["containers"][0]
    assert container["command"] == ["python"]
    assert "PYTHONPATH" not in {one["name"] for one in container["env"]}


@pytest.mark.skipif(shutil.which("go", path="/usr/local/go/bin:/usr/bin:/usr/lib/go/bin") is None, reason="needs Go")
def test_a_stall_is_charged_to_every_request_that_it_delayed(tmp_path):
    stalled = threading.Lock()

    class Stalling(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet
        served = 0

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            with stalled:
                Stalling.served += 1
                if Stalling.served == 20:
                    sleep(0.5)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            """Say nothing."""

    (tmp_path / "bodies").write_text("{}\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        options = [
            "-rate",
            "50",
            "-seconds",
            "2",
            "-warm",
            "0",
            "-connections",
            "1",
            "-bodies",
            str(tmp_path / "bodies"),
        ]
        done = subprocess.run([str(generator()), "-url", url, *options], capture_output=True, text=True, check=True)
    finally:
        server.shutdown()
        server.server_close()
    found = json.loads(done.stdout)
    assert found["failed"] == 0
    # about 25 of 100 requests fell into half a second of stall; a closed loop would see it in one
    assert found["p90_ms"] > 100
    assert found["p50_ms"] < 100
