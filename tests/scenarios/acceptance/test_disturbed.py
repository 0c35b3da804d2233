"""A tool that is gone, a host that dies while it is measured, a node that fell behind: each is told, none passes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portolan import paths
from portolan.bundle.view import Bundle
from tests.support.sandbox import REPOSITORY
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = pytest.mark.full

HOST = "worker-1"
RECHECK = "portolan-recheck"


@pytest.fixture
def without_fio(stage: ScenarioSite) -> Iterator[None]:
    path = stage.output_of(HOST, "command -v fio").strip()
    stage.output_of(HOST, f"mv {path} {path}.away")
    try:
        yield
    finally:
        stage.output_of(HOST, f"mv {path}.away {path}")


@pytest.mark.usefixtures("without_fio")
def test_without_its_tool_no_check_passes(stage: ScenarioSite) -> None:
    done = stage.portolan("verify", "--depth", "burn-in", "--only", "host.disk-*", "-o", "json")
    assert done.returncode in (0, 1), done.stderr
    of_tool = [
        entry
        for entry in json.loads(done.stdout)["judgements"]
        if entry["target"]["subject"] == f"host/{HOST}" and "fio" in entry["evidence"]["method"]
    ]
    assert of_tool
    for entry in of_tool:
        assert entry["verdict"] == "not-measured"
        assert "fio" in entry["explanation"]


def test_a_host_that_dies_while_it_is_measured_is_named_and_nothing_of_it_passes_by_silence(
    stage: ScenarioSite, tmp_path: Path
) -> None:
    only = ["--depth", "standard", "--only", "host.[dpm]*", "-o", "json", "--evidence", str(tmp_path)]
    command = [sys.executable, "-c", "from portolan.cli import run; run()", "verify", str(stage.path), *only]
    running = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(8)
        stage.must("sandbox", "down", "--host", HOST, "--keep-disks")
        said, errors = running.communicate(timeout=15 * 60)
    finally:
        running.kill()
        stage.must("sandbox", "up")
    assert running.returncode in (0, 1), errors[-3000:]
    mine = [entry for entry in json.loads(said)["judgements"] if entry["target"]["subject"] == f"host/{HOST}"]
    silent = [entry for entry in mine if entry["verdict"] == "not-measured"]
    assert any(HOST in entry["explanation"] or "not reached" in entry["explanation"] for entry in silent), silent
    assert all(entry["evidence"]["value"] is not None for entry in mine if entry["verdict"] != "not-measured")
    wait_for(
        "the host is back",
        lambda: stage.kubectl("wait", "--for=condition=Ready", f"node/{HOST}", "--timeout=5s"),
        seconds=240,
    )
    ready = ("wait", "--for=condition=Ready", "inferenceservice/risk-scoring", "--timeout=5s")
    wait_for("the service is whole again", lambda: stage.kubectl("-n", "risk-scoring", *ready), seconds=420)


def test_a_node_is_measured_again_by_a_job_of_the_schedule(stage: ScenarioSite) -> None:
    """The image is the one that the serving runs on: no other is needed."""
    path = "{.items[*].spec.containers[*].image}"
    images = stage.kubectl("-n", "risk-scoring", "get", "pods", "-o", f"jsonpath={path}").split()
    image = next(one for one in images if "risk-scoring" in one)
    chart = [str(REPOSITORY / "charts" / "node-recheck"), f"--kubeconfig={stage.kubeconfig}", f"--namespace={RECHECK}"]
    values = ["--set", f"image={image}", "--set", f"nodes={{{HOST}}}", "--set", "secondsPerFigure=1"]
    helm = [
        str(Bundle.open(paths.cache()).binary("helm")),
        "upgrade",
        "--install",
        "node-recheck",
        *chart,
        "--create-namespace",
        *values,
    ]
    installed = subprocess.run(helm, capture_output=True, text=True, timeout=120, check=False)
    assert installed.returncode == 0, installed.stderr
    try:
        stage.kubectl("-n", RECHECK, "create", "job", "now", f"--from=cronjob/node-recheck-{HOST}")
        stage.kubectl("-n", RECHECK, "wait", "--for=condition=complete", "job/now", "--timeout=120s", seconds=150)
        kept = json.loads(stage.kubectl("-n", RECHECK, "get", "configmap", f"node-recheck-{HOST}", "-o", "json"))
        assert kept["data"]
        service = f"/api/v1/namespaces/{RECHECK}/services/node-recheck-metrics:metrics/proxy/metrics"
        text = wait_for("the figures are served", lambda: stage.kubectl("get", "--raw", service), 60)
        assert f'portolan_node_figure{{node="{HOST}"' in text
    finally:
        stage.kubectl("delete", "namespace", RECHECK, "--wait=false")
