"""`portolan verify` on the running site: quick, complete, and not to be fooled."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from portolan.conformity.ledger import DIGEST, EVIDENCE
from tests.support.sandbox import portolan

VERIFY_SECONDS = 30


@pytest.fixture(scope="module")
def run(sandbox, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    begin = time.monotonic()
    done = portolan("verify", sandbox.site_path, "-o", "json", "--evidence", folder)
    seconds = time.monotonic() - begin
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout), folder, seconds, done.returncode


def test_every_target_of_the_plan_is_judged_once(sandbox, run):
    document, *_ = run
    assert [entry["target"]["id"] for entry in document["judgements"]] == [target.id for target in sandbox.plan.targets]


def test_nothing_fails(run):
    document, _, _, code = run
    fails: dict[str, str] = {}
    for entry in document["judgements"]:
        if entry["verdict"] == "fail":
            target = entry["target"]
            fails[target["check"]] = f"{target['subject']}: {entry['evidence']['detail'] or entry['explanation']}"
    assert fails == {}
    assert code == 0


def test_what_was_not_measured_says_why(run):
    for entry in run[0]["judgements"]:
        if entry["verdict"] == "not-measured":
            assert entry["explanation"]


def test_no_check_broke_while_it_measured(run):
    broken = [e["explanation"] for e in run[0]["judgements"] if "Error: " in e["explanation"]]
    assert not broken


def test_a_simulated_accelerator_never_passes(run):
    checks = {"host.accelerators", "host.accelerator-compute-capability", "cluster.gpus-per-node"}
    verdicts = {e["verdict"] for e in run[0]["judgements"] if e["target"]["check"] in checks}
    assert verdicts <= {"not-measured"}


def test_it_is_quick(run):
    assert run[2] < VERIFY_SECONDS


def test_the_evidence_is_complete_and_its_digest_holds(run):
    document, folder, *_ = run
    (kept,) = folder.iterdir()
    lines = (kept / EVIDENCE).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(document["judgements"])
    subprocess.run(["sha256sum", "--check", "--quiet", DIGEST], cwd=kept, check=True)


def test_what_is_broken_fails(sandbox, run):
    """Without the namespace's quota the quota check fails, and only it: a check that cannot fail proves nothing."""
    (quota,) = sandbox.core.list_namespaced_resource_quota("risk-scoring").items
    sandbox.core.delete_namespaced_resource_quota(quota.metadata.name, "risk-scoring")
    try:
        done = portolan("verify", sandbox.site_path, "-o", "json", "--only", "platform.quotas")
    finally:
        metadata = {"name": quota.metadata.name, "labels": quota.metadata.labels}
        metadata["annotations"] = quota.metadata.annotations
        sandbox.core.create_namespaced_resource_quota(
            "risk-scoring", {"metadata": metadata, "spec": {"hard": quota.spec.hard}}
        )
    assert done.returncode == 1, done.stderr
    assert {entry["verdict"] for entry in json.loads(done.stdout)["judgements"]} == {"fail"}
