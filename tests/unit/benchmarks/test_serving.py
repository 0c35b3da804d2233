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
from benchmarks.serving.__main__ import generator, judged

FAST = {"cpu_microseconds": 40.0, "most": 20_000.0, "p99_ms": 2.0, "memory": 100.0}
SLOW = {"cpu_microseconds": 500.0, "most": 2_000.0, "p99_ms": 6.0, "memory": 120.0}


def _verdicts(found):
    return {one.name: good(one) for one in judged(found, 0.7)}


def test_a_tenth_of_the_peers_processor_time_is_good():
    assert _verdicts({"portolan": FAST, "kserve": SLOW})["portolan: processor time a request"] is True


def test_more_than_a_tenth_is_missed():
    verdicts = _verdicts({"portolan": {**FAST, "cpu_microseconds": 51.0}, "kserve": SLOW})
    assert verdicts["portolan: processor time a request"] is False


def test_less_than_80_percent_of_the_ceiling_is_missed():
    ceiling = {**FAST, "cpu_microseconds": 30.0}
    verdicts = _verdicts({"portolan": FAST, "ceiling": ceiling})
    assert verdicts["portolan: processor time against the ceiling"] is False


def test_without_a_peer_there_is_no_verdict_on_it():
    assert _verdicts({"portolan": FAST})["portolan: processor time a request"] is None


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
