"""A namespace for the tests' own pods, and the pods: Python from the predictor's image, which every worker has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.sandbox import Sandbox

SCRATCH = "portolan-tests"
POD_SECONDS = 60


@pytest.fixture(scope="session")
def predictor_image(sandbox: Sandbox) -> str:
    """The image of the served predictor."""
    pods = sandbox.core.list_namespaced_pod(
        "risk-scoring", label_selector="serving.kserve.io/inferenceservice=risk-scoring"
    ).items
    containers = {container.name: container.image for pod in pods for container in pod.spec.containers}
    return containers["kserve-container"]


@pytest.fixture(scope="session")
def scratch(sandbox: Sandbox) -> Iterator[str]:
    """A namespace with the strictest pod security, gone at the end."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    document = {"metadata": {"name": SCRATCH, "labels": labels}}
    _gone(sandbox)
    sandbox.core.create_namespace(document)
    yield SCRATCH
    _gone(sandbox)


def _gone(sandbox: Sandbox) -> None:
    sandbox.kubectl("delete", "namespace", SCRATCH, "--ignore-not-found", "--wait=true", "--timeout=120s")


Starter = Callable[..., Any]


@pytest.fixture
def start_pod(sandbox: Sandbox, scratch: str, predictor_image: str) -> Iterator[Starter]:
    """Start a pod that runs Python code, and remove it after the test."""
    started: list[str] = []

    def start(name: str, code: str, node: str | None = None, resources: dict[str, Any] | None = None) -> Any:
        sandbox.core.create_namespaced_pod(scratch, python_pod(name, predictor_image, code, node, resources or {}))
        started.append(name)
        return name

    yield start
    for name in started:
        sandbox.core.delete_namespaced_pod(name, scratch, grace_period_seconds=0)


def python_pod(name: str, image: str, code: str, node: str | None, resources: dict[str, Any]) -> dict[str, Any]:
    """Return a pod that restricted pod security lets in."""
    container = {
        "name": "python",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-u", "-c", code],
        "resources": resources,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


@pytest.fixture(scope="session")
def wait_for_pod(sandbox: Sandbox, scratch: str) -> Callable[..., Any]:
    """Return a function that waits until a pod's state is as wanted, and returns the pod."""

    def wait(name: str, wanted: Callable[[Any], Any], seconds: float = POD_SECONDS) -> Any:
        end = time.monotonic() + seconds
        while True:
            pod = sandbox.core.read_namespaced_pod(name, scratch)
            if wanted(pod):
                return pod
            assert time.monotonic() < end, f"pod {name} after {seconds} s: {pod.status}"
            time.sleep(0.5)

    return wait
