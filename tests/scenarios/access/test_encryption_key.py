"""The key of secrets in etcd is changed: they stay readable throughout, and none stays under the old one."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.sandbox import REPOSITORY
from tests.support.scenario_site import ScenarioSite, wait_for

PASSWORD = "what was there before the change"
BARE = "--without-platform-images"
ETCD = (
    "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt"
    " --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key"
    " get /registry/secrets/ --prefix --write-out json"
)


def keys_in_etcd(stage: ScenarioSite) -> Counter[str]:
    """Return how many secrets lie under which key, as etcd itself has them."""
    entries = json.loads(stage.output_of(stage.control_planes[0], ETCD)).get("kvs", [])
    begins = [base64.b64decode(one["value"])[:60].split(b":") for one in entries]
    return Counter(parts[4].decode() if parts[1:2] == [b"enc"] else "none" for parts in begins)


def order(stage: ScenarioSite) -> str:
    path = stage.state / "secrets" / "etcd-encryption-order"
    return path.read_text(encoding="ascii").strip() if path.exists() else "1"


def files(stage: ScenarioSite) -> set[str]:
    return {path.name for path in (stage.state / "secrets").glob("etcd-encryption-key*")}


def newest(stage: ScenarioSite) -> int:
    return int(order(stage).split()[0])


def read_password(stage: ScenarioSite) -> str:
    secret = json.loads(stage.kubectl("get", "secret", "kept", "-o", "json"))
    return base64.b64decode(secret["data"]["password"]).decode()


def is_whole(stage: ScenarioSite, generation: int) -> None:
    """Assert that this key, and no other, is everywhere."""
    assert order(stage) == str(generation)
    assert files(stage) == {"etcd-encryption-key" + (f"-{generation}" if generation > 1 else "")}
    assert set(keys_in_etcd(stage)) == {f"portolan-{generation}"}
    for name in stage.control_planes:
        laid = stage.output_of(name, "cat /etc/kubernetes/portolan/encryption.yaml")
        assert laid.count("name: portolan-") == 1
        assert f"name: portolan-{generation}\n" in laid
    assert read_password(stage) == PASSWORD


@pytest.mark.full
def test_a_look_ahead_changes_nothing(stage: ScenarioSite) -> None:
    stage.kubectl("create", "secret", "generic", "kept", f"--from-literal=password={PASSWORD}")
    before = newest(stage)
    done = stage.must("encryption", "--rotate", "--check")
    assert "Have every secret under the first key" in done.stderr
    is_whole(stage, before)


@pytest.mark.full
def test_the_key_is_changed_and_every_secret_with_it(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    before, begin = newest(stage), time.monotonic()
    stage.must("encryption", "--rotate")
    figure("change of the key that encrypts secrets", time.monotonic() - begin, "seconds", "portolan encryption")
    is_whole(stage, before + 1)
    key = stage.state / "secrets" / f"etcd-encryption-key-{before + 1}"
    assert key.stat().st_mode & 0o077 == 0


@pytest.mark.full
def test_without_a_request_nothing_is_changed(stage: ScenarioSite) -> None:
    before = newest(stage)
    done = stage.must("encryption", "-o", "json")
    assert json.loads(done.stdout)["changed"] == []
    stage.must("converge", BARE, "--expect-no-changes")
    is_whole(stage, before)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cut_at", ["the new key is second", "the new key is first", "the new key is alone"])
def test_cut_at_a_step_the_same_command_finishes_the_change(stage: ScenarioSite, cut_at: str) -> None:
    old = newest(stage)
    new = old + 1
    at = {
        "the new key is second": f"{old} {new}",
        "the new key is first": f"{new} {old}",
        "the new key is alone": f"{new}",
    }[cut_at]
    process = subprocess.Popen(
        [sys.executable, "-c", "from portolan.cli import run; run()", "encryption", str(stage.path), "--rotate"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(cut_at, lambda: order(stage) == at, 600, pause_seconds=0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert order(stage) == at

    # Whatever the cut left, secrets are read and written.
    wait_for("the secret", lambda: read_password(stage) == PASSWORD)
    stage.must("encryption")
    is_whole(stage, new)
    stage.must("converge", BARE, "--expect-no-changes")


@pytest.mark.full
def test_what_a_cut_between_writing_and_restarting_left_unread_is_read_by_the_next_run(stage: ScenarioSite) -> None:
    name = stage.control_planes[0]
    stage.output_of(name, "touch /etc/kubernetes/portolan/encryption.yaml")
    before = stage.output_of(name, "pgrep --exact kube-apiserver")
    stage.must("encryption")
    assert stage.output_of(name, "pgrep --exact kube-apiserver") != before
    done = stage.must("encryption", "-o", "json")
    assert json.loads(done.stdout)["changed"] == []
