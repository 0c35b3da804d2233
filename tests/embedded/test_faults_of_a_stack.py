"""What the engine shows and keeps when something goes wrong, and how the next run goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Stack, World

DEPLOYMENT = """
mast = k8s.apps.v1.Deployment(
    "mast",
    metadata={"namespace": os.environ["QUAY"], "name": "mast", "annotations": {"pulumi.com/timeoutSeconds": "4"}},
    spec={
        "selector": {"match_labels": {"app": "mast"}},
        "template": {
            "metadata": {"labels": {"app": "mast"}},
            "spec": {"containers": [{"name": "mast", "image": "mast:1"}]},
        },
    },
)
flag = k8s.core.v1.ConfigMap("flag", metadata={"namespace": os.environ["QUAY"], "name": "flag"}, data={"a": "b"})
"""
READY = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


@pytest.fixture
def stack(make_stack: Callable[[], Stack], namespace: str) -> Stack:
    made = make_stack()
    made.environment["QUAY"] = namespace
    return made


def test_an_object_that_does_not_become_ready_is_kept_and_the_next_run_goes_on(
    stack: Stack, world: World, namespace: str
) -> None:
    stack.program(DEPLOYMENT)
    failed = stack.run("up", "--yes", "--skip-preview")
    assert failed.code != 0
    assert f"Deployment {namespace}/mast was created but is not ready: timed out after 4 s" in failed.text
    assert "0/1 replicas of the new version are available" in failed.text
    kept = stack.resource("mast")
    assert kept["id"] == f"{namespace}/mast"
    assert any("timed out" in reason for reason in kept["initErrors"])
    assert stack.resource("flag")["id"] == f"{namespace}/flag"

    uid = world.get("apps/v1", "Deployment", namespace, "mast")["metadata"]["uid"]
    stopped = threading.Event()

    def keep_ready() -> None:
        while not stopped.is_set():
            live = world.get("apps/v1", "Deployment", namespace, "mast")
            world.mark(
                "apps/v1", "Deployment", namespace, "mast",
                {**READY, "observedGeneration": live["metadata"]["generation"]},
            )  # fmt: skip
            time.sleep(0.1)

    helper = threading.Thread(target=keep_ready)
    helper.start()
    try:
        stack.up()
    finally:
        stopped.set()
        helper.join()
    assert not stack.resource("mast").get("initErrors")
    assert world.get("apps/v1", "Deployment", namespace, "mast")["metadata"]["uid"] == uid


def test_an_object_that_is_there_already_is_imported_and_then_managed(
    stack: Stack, world: World, namespace: str
) -> None:
    world.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chart"}, "data": {"a": "1"}}, namespace
    )
    text = """
    k8s.core.v1.ConfigMap(
        "chart", metadata={"namespace": os.environ["QUAY"], "name": "chart"}, data={"a": "1"},
        opts=Options(import_=os.environ.get("ADOPT")),
    )
    """
    stack.program(text)
    refused = stack.run("up", "--yes", "--skip-preview")
    assert refused.code != 0
    assert "already exists" in refused.text
    assert "pulumi import" in refused.text
    stack.up(ADOPT=f"{namespace}/chart")
    preview = stack.run("preview", "--expect-no-changes")
    assert preview.code == 0, preview.text


def test_a_cluster_that_cannot_be_reached_is_named_with_its_kubeconfig(stack: Stack) -> None:
    stack.program('k8s.core.v1.ConfigMap("flag", metadata={"namespace": "default"}, data={"a": "b"})')
    lost = stack.folder / "lost-kubeconfig"
    text = Path(stack.environment["KUBECONFIG"]).read_text()
    server = next(line for line in text.splitlines() if "server:" in line)
    lost.write_text(text.replace(server, "    server: https://127.0.0.1:1"))
    failed = stack.run("up", "--yes", "--skip-preview", KUBECONFIG=str(lost))
    assert failed.code != 0
    assert "configured Kubernetes cluster is unreachable" in failed.text
    assert "https://127.0.0.1:1" in failed.text
    assert str(lost) in failed.text
    stack.up()
    removed = stack.run("refresh", "--yes", "--skip-preview", KUBECONFIG=str(lost))
    assert removed.code != 0
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in removed.text


def test_a_fault_of_the_program_is_shown_with_its_line(stack: Stack) -> None:
    stack.program("raise RuntimeError('the tide is out')")
    failed = stack.run("preview")
    assert failed.code != 0
    assert "the tide is out" in failed.text
    assert "__main__.py" in failed.text
