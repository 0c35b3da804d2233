"""What was declared is what stands: nothing to change afterwards, drift is found and mended."""

from __future__ import annotations

import json

import pytest

from tests.support.sandbox import portolan


@pytest.mark.slow
def test_the_playbooks_second_run_changes_nothing(sandbox):
    done = portolan("converge", sandbox.site_path, "--expect-no-changes", "-o", "json", timeout_seconds=600)
    assert done.returncode == 0, done.stderr[-2000:]
    document = json.loads(done.stdout)
    assert document["changed"] == []
    assert {host: counts["changed"] for host, counts in document["hosts"].items()} == dict.fromkeys(
        (host.name for host in sandbox.plan.hosts), 0
    )


@pytest.mark.slow
def test_the_preview_finds_nothing_to_change(sandbox):
    done = portolan("platform", "preview", sandbox.site_path, "--expect-no-changes", timeout_seconds=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]


@pytest.mark.slow
def test_an_object_changed_by_hand_is_found_by_refresh_and_mended_by_up(sandbox):
    quota = sandbox.core.list_namespaced_resource_quota("risk-scoring").items[0]
    key, was = next(iter(quota.spec.hard.items()))
    sandbox.core.patch_namespaced_resource_quota(quota.metadata.name, "risk-scoring", {"spec": {"hard": {key: "7777"}}})

    refreshed = portolan("platform", "refresh", sandbox.site_path, timeout_seconds=300)
    assert refreshed.returncode == 0, refreshed.stderr[-2000:]
    preview = portolan("platform", "preview", sandbox.site_path, "--expect-no-changes", timeout_seconds=300)
    assert preview.returncode != 0, "refresh did not find the change"

    mended = portolan("platform", "up", sandbox.site_path, timeout_seconds=600)
    assert mended.returncode == 0, mended.stderr[-2000:]
    now = sandbox.core.read_namespaced_resource_quota(quota.metadata.name, "risk-scoring")
    assert now.spec.hard[key] == was
    after = portolan("platform", "preview", sandbox.site_path, "--expect-no-changes", timeout_seconds=300)
    assert after.returncode == 0, (after.stdout + after.stderr)[-2000:]
