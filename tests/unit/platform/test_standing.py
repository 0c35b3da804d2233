"""What counts as standing: replicas that are ready, services that say so; silence is not readiness."""

from __future__ import annotations

import pytest

from portolan.errors import PortolanError
from portolan.platform import standing

WORKLOAD = {"kind": "Deployment", "name": "kserve/controller", "wanted": 2, "ready": 2}


def service(*conditions):
    return {
        "metadata": {"namespace": "risk-scoring", "name": "risk-scoring"},
        "status": {"conditions": list(conditions)} if conditions else {},
    }


READY = {"type": "Ready", "status": "True"}


def test_ready_replicas_and_a_ready_service_stand():
    assert standing.not_standing([WORKLOAD], [service(READY)]) == []


def test_a_workload_short_of_replicas_is_named_with_its_count():
    late = standing.not_standing([{**WORKLOAD, "ready": 1}], [])
    assert late == ["Deployment kserve/controller has 1 of 2 replicas ready"]


def test_a_workload_scaled_to_nothing_stands():
    assert standing.not_standing([{**WORKLOAD, "wanted": 0, "ready": 0}], []) == []


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_a_service_that_is_not_ready_says_why(status):
    late = standing.not_standing([], [service({"type": "Ready", "status": status, "message": "no pod answers"})])
    assert late == ["InferenceService risk-scoring/risk-scoring is not ready: no pod answers"]


def test_a_service_without_any_status_does_not_stand():
    assert standing.not_standing([], [service()]) == ["InferenceService risk-scoring/risk-scoring is not ready"]


def test_it_waits_until_all_stand_and_says_once_what_it_waits_for(monkeypatch, tmp_path):
    answers = iter([["a", "b"], ["a", "b"], []])
    monkeypatch.setattr(standing, "_look", lambda _: next(answers))
    monkeypatch.setattr(standing, "POLL_SECONDS", 0)
    said: list[str] = []
    standing.wait_until_standing(tmp_path, said.append)
    assert said == ["waiting for a and 1 more"]


def test_what_never_stands_is_one_error_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setattr(standing, "_look", lambda _: ["Deployment a/b has 0 of 1 replicas ready"])
    monkeypatch.setattr(standing, "POLL_SECONDS", 0)
    with pytest.raises(PortolanError, match="a/b has 0 of 1"):
        standing.wait_until_standing(tmp_path, lambda _: None, wait_seconds=0)
