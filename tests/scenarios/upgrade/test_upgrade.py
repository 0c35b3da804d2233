"""The previous minor release to this one, host by host, while requests are answered; and back from half of the way."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from portolan.bundle.lock import load_lock
from tests.support.sandbox import REPOSITORY
from tests.support.scenario_site import ScenarioSite, wait_for
from tests.support.traffic import Traffic, get

pytestmark = pytest.mark.full

PREVIOUS = {"PORTOLAN_KUBERNETES": "previous"}
BARE = "--without-platform-images"
BUILD_SECONDS = 60 * 60
# CoreDNS for its web server alone: a real program that every node has the image of, and that ends gracefully.
SERVICE = """
apiVersion: v1
kind: Namespace
metadata: {name: greeting}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting, namespace: greeting}
data:
  Corefile: ".:5353 {\\n  health :8080 {\\n    lameduck 10s\\n  }\\n}\\n"
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: greeting, namespace: greeting}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: greeting}}
---
apiVersion: v1
kind: Service
metadata: {name: greeting, namespace: greeting}
spec:
  type: NodePort
  selector: {app: greeting}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: greeting, namespace: greeting}
spec:
  replicas: 2
  selector: {matchLabels: {app: greeting}}
  template:
    metadata: {labels: {app: greeting}}
    spec:
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: greeting}}}
      containers:
        - name: server
          image: %s
          args: [-conf, /etc/greeting/Corefile]
          readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1}
          volumeMounts: [{name: configuration, mountPath: /etc/greeting}]
      volumes:
        - name: configuration
          configMap: {name: greeting}
"""


def old_version() -> str:
    return load_lock().module("previous-kubernetes").version


def new_version() -> str:
    return load_lock().kubernetes_version


def versions(stage: ScenarioSite) -> set[str]:
    """Return the versions of the API server and of every kubelet."""
    server = json.loads(stage.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    return {server, *(node["status"]["nodeInfo"]["kubeletVersion"] for node in stage.objects("nodes"))}


def address(stage: ScenarioSite) -> str:
    return f"http://{stage.site.virtual_address}:8080/health"


def test_the_cluster_begins_with_the_previous_release(stage: ScenarioSite) -> None:
    command = [sys.executable, "-c", "from portolan.cli import run; run()", "bundle", "build", "--only", "previous"]
    subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr, check=True, timeout=BUILD_SECONDS)
    stage.must("converge", BARE, more=PREVIOUS)
    assert versions(stage) == {old_version()}


def test_a_service_runs_on_it(stage: ScenarioSite) -> None:
    images = [name for node in stage.objects("nodes") for image in node["status"]["images"] for name in image["names"]]
    stage.kubectl("apply", "-f", "-", text=SERVICE % next(name for name in images if "/coredns/coredns:" in name))
    stage.kubectl("-n", "greeting", "rollout", "status", "deployment/greeting", "--timeout=180s")
    wait_for("the service answers on the virtual address", lambda: get(address(stage))(0) is None, 60)


def test_a_plain_run_does_not_upgrade_by_the_way(stage: ScenarioSite) -> None:
    done = stage.portolan("converge", BARE)
    assert done.returncode == 2
    assert "portolan upgrade" in done.stderr
    assert versions(stage) == {old_version()}


def test_half_an_upgrade_is_taken_back(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    with Traffic(get(address(stage)), pause_seconds=0.05) as requests:
        stage.must("upgrade", BARE, "--control-plane-only")
        assert versions(stage) == {old_version(), new_version()}
        stage.kubectl("create", "namespace", "after-the-upgrade")
        begin = time.monotonic()
        stage.must("restore", "--replace", BARE, more=PREVIOUS)
        figure("control plane back on the previous release", time.monotonic() - begin, "seconds", "portolan restore")
    assert versions(stage) == {old_version()}
    assert stage.try_kubectl("get", "namespace", "after-the-upgrade").returncode != 0
    figure("requests failed while the control plane went forth and back", len(requests.failed), "requests")
    assert requests.failed == []


def test_an_upgrade_fails_no_request(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    with Traffic(get(address(stage)), pause_seconds=0.05) as requests:
        begin = time.monotonic()
        stage.must("upgrade", BARE)
        figure(
            "upgrade of three control planes and two workers", time.monotonic() - begin, "seconds", "portolan upgrade"
        )
    assert versions(stage) == {new_version()}
    figure("requests answered during the upgrade", len(requests.succeeded), "requests")
    figure("requests failed during the upgrade", len(requests.failed), "requests")
    figure("longest time between two answers", requests.longest_gap_seconds, "seconds")
    assert requests.failed == []


def test_a_plain_run_finds_nothing_to_change_afterwards(stage: ScenarioSite) -> None:
    stage.must("converge", BARE, "--expect-no-changes")
