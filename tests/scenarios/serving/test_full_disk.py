"""The disk of the decisions fills: officers are told, scores go on, and what was confirmed is there to the last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from portolan import paths
from portolan.bundle.view import Bundle
from tests.support.declarations import DECLARATIONS
from tests.support.open_loop import Client, asking
from tests.support.sandbox import REPOSITORY
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = pytest.mark.full

NAMESPACE = NAME = "full-disk"
HOST, NODE_PORT = "worker-1", 30081
FOLDER = "/var/lib/portolan/full-disk"  # on the host: the model, and a file system of 256 KiB for the log
DISK_KIB, FILLER_KIB = 256, 128
MOST_DECISIONS = 2000
PER_SECOND = 5
DECISION = {
    "declaration_id": "97061800",
    "officer": "4711",
    "model_digest": "0" * 64,
    "score": 0.91,
    "told": "red",
    "decision": "green",
    "reason": "known shipment",
}


def volume(name: str, folder: str, size: str) -> list[dict[str, Any]]:
    """Return a volume that is a folder of the host, and the one claim to it."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [HOST]}
    room = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{NAME}-{name}"},
            "spec": {
                **room,
                "capacity": {"storage": size},
                "local": {"path": folder},
                "claimRef": {"namespace": NAMESPACE, "name": name},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
                "persistentVolumeReclaimPolicy": "Retain",
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {**room, "resources": {"requests": {"storage": size}}, "volumeName": f"{NAME}-{name}"},
        },
    ]


def helm(stage: ScenarioSite, *settings: str) -> None:
    """Install the chart with these settings, as somebody without Pulumi does."""
    command = [
        *(str(Bundle.open(paths.cache()).binary("helm")), "upgrade", "--install", NAME),
        *(str(REPOSITORY / "charts" / "risk-scoring"), f"--kubeconfig={stage.kubeconfig}", f"--namespace={NAMESPACE}"),
        *(part for one in settings for part in ("--set", one)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def sent(stage: ScenarioSite, folder: Path) -> None:
    """Put the files of a model on the host."""
    for path in sorted(folder.iterdir()):
        content = json.dumps(path.read_text(encoding="utf-8"))
        write = (
            f"import pathlib; pathlib.Path('{FOLDER}/models/model/{path.name}').write_text({content}, encoding='utf-8')"
        )
        stage.output_of(HOST, f"python3 - <<'PYTHON_PROGRAM'\n{write}\nPYTHON_PROGRAM\n")


@pytest.fixture(scope="module")
def url(stage: ScenarioSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A release of the chart whose log lies on a file system of 256 KiB."""
    folder = tmp_path_factory.mktemp("full-disk")
    services = ":".join(str(REPOSITORY / "services" / name) for name in ("model_server", "risk_scoring"))
    data, model = str(folder / "data"), str(folder / "model")
    for step in (
        ["risk_scoring.generate", "--out", data, "--rows", "4000", "--seed", "12"],
        ["risk_scoring.train", "--data", data, "--output", model, "--local", "--seeds", "1"],
    ):
        environment = {**os.environ, "PYTHONPATH": services, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", *step]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
    stage.output_of(
        HOST,
        f"mkdir -p {FOLDER}/models/model {FOLDER}/log && chmod 755 {FOLDER} {FOLDER}/models {FOLDER}/models/model\n"
        f"mountpoint -q {FOLDER}/log || mount -t tmpfs -o size={DISK_KIB}k,mode=1777 full-disk {FOLDER}/log",
    )
    sent(stage, Path(model))
    secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "audit", "namespace": NAMESPACE}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    items = [
        namespace,
        {**secret, "stringData": {"key": "a key of this scenario alone"}},
        {**secret, "metadata": {"name": "object-store-credentials", "namespace": NAMESPACE}},
        *volume("model", f"{FOLDER}/models", "1Gi"),
        *volume("log", f"{FOLDER}/log", "1Mi"),
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    stage.kubectl("apply", "-f", "-", text=text)
    path = "{.items[*].spec.containers[*].image}"
    images = stage.kubectl("-n", "risk-scoring", "get", "pods", "-o", f"jsonpath={path}").split()
    try:
        helm(
            stage,
            f"image={next(one for one in images if 'risk-scoring' in one)}",
            "model.uri=pvc://model/model",
            "replicas=1,replicasMost=1,resources.cpuMillicores=50",
            f"nodePort={NODE_PORT},auditSecret=audit,decisionsClaim=log",
        )
        ready = ("wait", "--for=condition=Ready", f"inferenceservice/{NAME}", "--timeout=5s")
        wait_for("the service is ready", lambda: stage.kubectl("-n", NAMESPACE, *ready), seconds=300)
        yield f"http://{stage.addresses[HOST].address}:{NODE_PORT}"
    finally:
        stage.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", seconds=150)
        stage.kubectl("delete", "persistentvolume", f"{NAME}-model", f"{NAME}-log", "--wait=false")
        stage.on(HOST, f"umount {FOLDER}/log; rm -rf {FOLDER}")


def decide(url: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/models/{NAME}/decisions", json=DECISION, timeout=20, trust_env=False)


def logged(stage: ScenarioSite) -> tuple[int, set[str]]:
    """Return how many entries all logs have, and the digest of the last of each; each is checked by its chain."""
    pod = stage.objects("pods", "-n", NAMESPACE, "--field-selector=status.phase=Running")[0]["metadata"]["name"]
    script = "python -m model_server.audit /var/log/decisions/*.jsonl"
    said = stage.kubectl("exec", pod, "-n", NAMESPACE, "-c", "kserve-container", "--", "sh", "-c", script)
    lines = [line.split() for line in said.splitlines()]
    return sum(int(words[1]) for words in lines), {words[-1] for words in lines}


def test_a_full_disk_is_told_scores_go_on_and_nothing_that_was_confirmed_is_lost(
    stage: ScenarioSite, url: str, figure: Callable[..., None]
) -> None:
    stage.output_of(HOST, f"head -c {FILLER_KIB * 1024} /dev/zero > {FOLDER}/log/filler")
    confirmed: list[str] = []
    client = Client([url], f"/v1/models/{NAME}:predict", {"instances": [DECLARATIONS[0]]})
    with asking(client.ask, PER_SECOND) as calls:
        for _ in range(MOST_DECISIONS):
            answer = decide(url)
            if answer.status_code != 201:
                break
            confirmed.append(answer.json()["recorded"])
        figure("decisions confirmed until the disk was full", len(confirmed), "decisions", f"{DISK_KIB} KiB")
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("audit log: No space left on device; try again")
        refused = [decide(url).status_code for _ in range(5)]
        assert refused == [503] * 5
        figure("decisions refused with 503 while it was full", 1 + len(refused), "decisions")
        metrics = httpx.get(f"{url}/metrics", timeout=20, trust_env=False).text
        assert f'model_server_audit_failures_total{{model="{NAME}"}} 6' in metrics
        stage.output_of(HOST, f"rm {FOLDER}/log/filler")
        confirmed += [decide(url).raise_for_status().json()["recorded"] for _ in range(5)]
    client.close()
    figure("scores lost while the disk was full", len(calls.lost), "requests", f"{PER_SECOND} requests/s, open loop")
    assert calls.what_failed() == {}
    number, last = logged(stage)
    assert confirmed[-1] in last
    figure("confirmed decisions that are not in the log", len(confirmed) - number, "decisions")
    assert number == len(confirmed)


def test_confirmed_decisions_outlive_their_pod(stage: ScenarioSite, url: str, figure: Callable[..., None]) -> None:
    before, _ = logged(stage)
    pod = stage.objects("pods", "-n", NAMESPACE)[0]["metadata"]["name"]
    stage.kubectl("delete", "pod", pod, "-n", NAMESPACE, "--wait=true")
    ready = ("wait", "--for=condition=Ready", "pod", "--all", "--timeout=5s")
    wait_for("another pod is ready", lambda: stage.kubectl("-n", NAMESPACE, *ready), seconds=180)
    confirmed = wait_for("it takes decisions", lambda: decide(url).raise_for_status().json()["recorded"], seconds=60)
    number, last = logged(stage)
    assert confirmed in last
    figure("confirmed decisions that went with their pod", before + 1 - number, "decisions")
    assert number == before + 1
