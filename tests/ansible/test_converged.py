"""On the running site the playbook has nothing left to do, and mends what somebody broke."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.sandbox import Sandbox, portolan

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]


def converge(sandbox: Sandbox, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = portolan("converge", sandbox.site_path, "-o", "json", *arguments, timeout_seconds=800)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def changed(document: dict[str, Any]) -> Sequence[str]:
    return [f"{one['host']} {one['role']} : {one['task']}" for one in document["changed"]]


def test_a_second_run_changes_no_host(sandbox: Sandbox):
    code, document = converge(sandbox, "--expect-no-changes")
    assert changed(document) == []
    assert code == 0
    assert {counts["changed"] for counts in document["hosts"].values()} == {0}


def test_check_mode_finds_nothing_to_do(sandbox: Sandbox):
    code, document = converge(sandbox, "--check", "--expect-no-changes")
    assert changed(document) == []
    assert code == 0


def test_a_file_changed_by_hand_is_found_by_check_mode_and_mended_by_the_next_run(sandbox: Sandbox):
    worker = sandbox.workers[0]
    spoil = portolan("sandbox", "shell", sandbox.site_path, worker, "--", "sudo", "sed", "-i", "s/^net/# net/",
                     "/etc/sysctl.d/60-portolan.conf")  # fmt: skip
    assert spoil.returncode == 0, spoil.stderr
    code, document = converge(sandbox, "--check", "--expect-no-changes", "--tags", "os")
    assert code == 1
    assert any(line.startswith(f"{worker} os : Set the kernel's parameters") for line in changed(document))
    code, document = converge(sandbox, "--tags", "os")
    assert code == 0
    code, _ = converge(sandbox, "--expect-no-changes", "--tags", "os")
    assert code == 0
