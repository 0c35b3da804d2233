"""Backup, then every host is gone, then restore: every object of the backup is there again."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sandbox import portolan as run_portolan
from tests.support.scenario_site import ScenarioSite, wait_for
from tests.support.traffic import ConfigMapWriter, Traffic

pytestmark = pytest.mark.full

SECRET = "the password that nobody may read"
KINDS = ("namespaces", "secrets", "configmaps", "serviceaccounts", "deployments", "services", "clusterroles")
WORK = """
apiVersion: v1
kind: Namespace
metadata: {name: customs}
---
apiVersion: v1
kind: Secret
metadata: {name: database, namespace: customs}
stringData: {password: "%s"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: names, namespace: customs}
spec:
  replicas: 1
  selector: {matchLabels: {app: names}}
  template:
    metadata: {labels: {app: names}}
    spec:
      containers:
        - name: pause
          image: %s
"""


def identities(stage: ScenarioSite) -> dict[str, str]:
    """Return the uid of every object of the kinds that are compared."""
    found: dict[str, str] = {}
    for kind in KINDS:
        for item in stage.objects(kind, "--all-namespaces"):
            meta = item["metadata"]
            found[f"{kind}/{meta.get('namespace', '')}/{meta['name']}"] = meta["uid"]
    return found


def backups(stage: ScenarioSite) -> list[Path]:
    return sorted((stage.state / "backups").glob("*.backup"))


def test_objects_are_there_to_be_lost(stage: ScenarioSite) -> None:
    for old in backups(stage):  # backups outlive their site: those of an earlier run are none of this one's
        old.unlink()
    images = json.loads(stage.kubectl("get", "nodes", "-o", "json"))["items"][0]["status"]["images"]
    pause = next(name for image in images for name in image["names"] if "/pause:" in name)
    stage.kubectl("apply", "-f", "-", text=WORK % (SECRET, pause))
    stage.kubectl("-n", "customs", "rollout", "status", "deployment/names", "--timeout=120s")
    ConfigMapWriter(stage.kubeconfig).prepare()


def test_a_backup_leaves_the_hosts_encrypted(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    begin = time.monotonic()
    stage.must("backup")
    figure("backup", time.monotonic() - begin, "seconds", "portolan backup")
    (file,) = backups(stage)
    assert file.stat().st_mode & 0o077 == 0
    content = file.read_bytes()
    for readable in (SECRET.encode(), b"PRIVATE KEY", b"/registry/", b"manifest.json"):
        assert readable not in content
    for name in stage.control_planes:
        assert stage.on(name, "test -e /var/lib/portolan/backup").returncode != 0, f"{name} kept a copy"


def test_a_restore_does_not_replace_a_cluster_that_stands_unless_it_is_meant(stage: ScenarioSite) -> None:
    before = identities(stage)
    done = stage.portolan("restore", "--without-platform-images")
    assert done.returncode == 2
    assert "say --replace" in done.stderr
    assert identities(stage) == before


@pytest.mark.parametrize("harm", ["cut short", "changed", "of another key"])
def test_a_backup_that_cannot_be_read_is_refused_before_anything_is_changed(
    stage: ScenarioSite, tmp_path: Path, harm: str
) -> None:
    (file,) = backups(stage)
    content = bytearray(file.read_bytes())
    bad = tmp_path / "bad.backup"
    if harm == "cut short":
        content = content[: len(content) // 2]
    elif harm == "changed":
        content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    key, kept = stage.state / "backups" / "backup.key", tmp_path / "backup.key"
    if harm == "of another key":
        key.rename(kept)
        other = stage.output_of(stage.control_planes[0], "openssl genrsa 3072 2>/dev/null")
        key.write_text(other)
        key.chmod(0o600)
    try:
        done = run_portolan("restore", stage.path, bad, "--replace", timeout_seconds=300)
    finally:
        if kept.exists():
            kept.replace(key)
    assert done.returncode == 2
    assert "cannot be read with" in done.stderr
    assert stage.kubectl("get", "namespace", "customs")


def test_after_a_total_loss_everything_is_back(
    stage: ScenarioSite, figure: Callable[..., None], tmp_path: Path
) -> None:
    writer = ConfigMapWriter(stage.kubeconfig)
    with Traffic(writer, pause_seconds=0.2) as writes:
        time.sleep(5)
        stage.must("backup")
        time.sleep(5)
    taken, before = backups(stage)[-1], identities(stage)
    lost_at = writes.succeeded[-1][0]

    # Every host is gone, and with them what the controller had, but for the backups and their key.
    stage.must("sandbox", "down")
    (stage.state / "kubeconfig").unlink()
    (stage.state / "secrets" / "etcd-encryption-key").unlink()

    begin = time.monotonic()
    stage.must("sandbox", "up")
    hosts_stand = time.monotonic()
    stage.must("restore", "--without-platform-images")
    end = time.monotonic()
    figure("restore, from bare hosts to Ready nodes", end - hosts_stand, "seconds", "portolan restore")
    figure("recovery time, new hosts included", end - begin, "seconds")

    # The writer's connection is one to hosts that are gone: it notices with its first try.
    stored = wait_for("a read", writer.stored, 60)
    kept = [at for at, number in writes.succeeded if number in stored]
    figure("recovery point: writes of so long before the loss are gone", lost_at - max(kept), "seconds")
    assert taken == backups(stage)[-1]
    after = identities(stage)
    # What was written after the backup is gone, and a token to join ends by itself after its time.
    passing = ("/writer/write-", "secrets/kube-system/bootstrap-token-")
    gone = {name for name, uid in before.items() if after.get(name) != uid and not any(one in name for one in passing)}
    assert gone == set()
    figure("objects compared by their uid", len(before), "objects")
    secret = json.loads(stage.kubectl("-n", "customs", "get", "secret", "database", "-o", "json"))
    assert base64.b64decode(secret["data"]["password"]).decode() == SECRET
    stage.kubectl("-n", "customs", "rollout", "status", "deployment/names", "--timeout=180s")
    nodes = {node["metadata"]["name"] for node in stage.objects("nodes")}
    assert nodes == {*stage.control_planes, *stage.workers}


def test_a_plain_run_finds_nothing_to_change_after_a_restore(stage: ScenarioSite) -> None:
    stage.must("converge", "--without-platform-images", "--expect-no-changes")


def test_the_control_plane_can_be_taken_back_in_place(stage: ScenarioSite, figure: Callable[..., None]) -> None:
    """As after an upgrade that went wrong: the workers stay, the control plane goes back to the backup."""
    stage.kubectl("create", "namespace", "mistake")
    begin = time.monotonic()
    stage.must("restore", "--replace", "--without-platform-images")
    figure("control plane taken back in place", time.monotonic() - begin, "seconds", "portolan restore --replace")
    assert stage.try_kubectl("get", "namespace", "mistake").returncode != 0
    wait_for(
        "the work runs",
        lambda: stage.kubectl("-n", "customs", "rollout", "status", "deployment/names", "--timeout=10s"),
    )
