"""What the platform refuses, and as whom it runs."""

from __future__ import annotations

import base64

import httpx
import pytest
from kubernetes import client

from portolan.conformity.cluster import privileged_pod
from portolan.conformity.platform import greedy_pod
from portolan.conformity.world import NAMESPACES


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_no_namespace_of_the_platform_lets_a_privileged_pod_in(sandbox, namespace):
    with pytest.raises(client.ApiException) as refusal:
        sandbox.core.create_namespaced_pod(namespace, privileged_pod(), dry_run="All")
    assert refusal.value.status == 403
    assert "violates PodSecurity" in refusal.value.body


def test_a_pod_beyond_the_quota_is_refused(sandbox):
    with pytest.raises(client.ApiException) as refusal:
        sandbox.core.create_namespaced_pod("risk-scoring", greedy_pod(), dry_run="All")
    assert refusal.value.status == 403
    assert "exceeded quota" in refusal.value.body


def test_a_pod_within_the_quota_is_let_in(sandbox):
    pod = greedy_pod()
    amounts = {"cpu": "1m", "memory": "8Mi"}
    pod["spec"]["containers"][0]["resources"] = {"requests": amounts, "limits": amounts}
    assert sandbox.core.create_namespaced_pod("risk-scoring", pod, dry_run="All").metadata.name == "portolan-probe"


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_nothing_of_the_platform_runs_as_root(sandbox, namespace):
    for pod in sandbox.core.list_namespaced_pod(namespace).items:
        of_pod = pod.spec.security_context
        for container in pod.spec.containers:
            own = container.security_context
            as_pod = of_pod.run_as_non_root if of_pod else None
            non_root = own.run_as_non_root if own and own.run_as_non_root is not None else as_pod
            assert non_root is True, f"{pod.metadata.name}/{container.name}"


def test_a_running_predictor_is_not_root(sandbox):
    selector = "serving.kserve.io/inferenceservice=risk-scoring"
    (name, *_) = sandbox.kubectl("get", "pods", "-n", "risk-scoring", "-l", selector, "-o", "name").split()
    uid = sandbox.kubectl("exec", "-n", "risk-scoring", name, "-c", "kserve-container", "--", "id", "-u")
    assert int(uid) > 0


def test_the_object_store_lets_nobody_in_without_credentials(sandbox):
    from portolan.conformity.reach import forwarded

    with forwarded(sandbox.kubeconfig, "portolan-system", "service/object-store", 8333) as port:
        base = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{base}/models/?list-type=2", trust_env=False).status_code == 403
        assert httpx.put(f"{base}/models/probe", content=b"x", trust_env=False).status_code == 403


def test_credentials_are_generated_and_not_a_default(sandbox):
    secret = sandbox.core.read_namespaced_secret("object-store-credentials", "portolan-system")
    password = base64.b64decode(secret.data["AWS_SECRET_ACCESS_KEY"]).decode()
    assert len(password) >= 20
    assert len(set(password)) >= 10


def test_the_api_server_lets_nobody_in_without_a_certificate(sandbox):
    url = f"https://{sandbox.addresses[sandbox.control_plane].address}:6443/api/v1/secrets"
    assert httpx.get(url, verify=False, trust_env=False).status_code in (401, 403)


def test_the_kubeconfig_is_for_its_owner_only(sandbox):
    assert sandbox.kubeconfig.stat().st_mode & 0o077 == 0
    assert sandbox.state.stat().st_mode & 0o077 == 0
