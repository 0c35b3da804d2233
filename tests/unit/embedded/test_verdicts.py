"""When an object is ready, when it is not yet, and when it never will be."""

from __future__ import annotations

from typing import Any

import pytest

from portolan.embedded.kubernetes import awaits
from portolan.embedded.kubernetes.awaits import jsonpath, verdicts
from portolan.errors import PortolanError


def deployment(wanted: int, /, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 2, **status},
    }


@pytest.mark.parametrize(
    ("live", "ready", "reason"),
    [
        (deployment(2, updatedReplicas=2, replicas=2, availableReplicas=2), True, ""),
        (deployment(0), True, ""),
        (deployment(2, updatedReplicas=1, replicas=3, availableReplicas=3), False, "1/2 replicas"),
        (deployment(2, updatedReplicas=2, replicas=3, availableReplicas=3), False, "have not ended"),
        (deployment(1, observedGeneration=1, updatedReplicas=1, replicas=1, availableReplicas=1), False, "to see"),
        (
            deployment(
                1, conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
            ),
            False,
            "ProgressDeadlineExceeded",
        ),
    ],
)
def test_deployments(live: dict[str, Any], ready: bool, reason: str) -> None:
    verdict = verdicts.deployment(live)
    assert verdict.ready is ready
    assert reason in "; ".join(verdict.reasons)


def test_a_stateful_set_is_ready_when_every_replica_runs_the_newest_revision() -> None:
    def at(**status: Any) -> bool:
        return verdicts.stateful_set({"metadata": {}, "spec": {"replicas": 2}, "status": status}).ready

    assert not at(readyReplicas=1, currentRevision="a", updateRevision="a")
    assert not at(readyReplicas=2, currentRevision="a", updateRevision="b", updatedReplicas=1)
    assert at(readyReplicas=2, currentRevision="b", updateRevision="b", updatedReplicas=2)


def test_a_job_that_has_given_up_has_failed() -> None:
    failed = {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}
    verdict = verdicts.job(failed)
    assert verdict.failed
    assert "BackoffLimitExceeded" in verdict.reasons[0]


def test_a_service_needs_a_ready_endpoint_unless_nothing_is_to_make_one() -> None:
    service = {"spec": {"selector": {"app": "a"}, "clusterIP": "10.0.0.1"}}
    assert not verdicts.service(service, []).ready
    assert not verdicts.service(service, [{"endpoints": [{"conditions": {"ready": False}}]}]).ready
    assert verdicts.service(service, [{"endpoints": [{"conditions": {"ready": True}}]}]).ready
    assert verdicts.service({"spec": {"selector": {"app": "a"}, "clusterIP": "None"}}, []).ready
    assert verdicts.service({"spec": {"type": "ExternalName"}}, []).ready
    assert not verdicts.service({"spec": {"type": "LoadBalancer"}}, []).ready


def test_a_claim_may_wait_for_its_first_consumer() -> None:
    pending = {"status": {"phase": "Pending"}}
    assert verdicts.persistent_volume_claim(pending, "WaitForFirstConsumer").ready
    assert not verdicts.persistent_volume_claim(pending, "Immediate").ready
    assert verdicts.persistent_volume_claim({"status": {"phase": "Lost"}}, None).failed


def test_faults_of_pods_are_told_and_an_ordinary_start_is_not() -> None:
    def pod(reason: str) -> dict[str, Any]:
        state = {"waiting": {"reason": reason, "message": "m"}}
        return {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "c", "state": state}]}}

    assert verdicts.pod_faults([pod("ContainerCreating")]) == []
    assert verdicts.pod_faults([pod("ImagePullBackOff")]) == ["pod p, container c: [ImagePullBackOff] m"]


LIVE = {
    "status": {
        "phase": "Running",
        "replicas": 3,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Odd", "status": "False"}],
        "model.name": "m",
    }
}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("{.status.phase}=Running", True),
        (".status.phase=Running", True),
        ("{.status.phase}=Stopped", False),
        ("{.status.phase}", True),
        ("{.status.missing}", False),
        ("{.status.replicas}=3", True),
        ('{.status.conditions[?(@.type=="Ready")].status}=True', True),
        ('{.status.conditions[?(@.type=="Odd")].status}=True', False),
        ("{.status.conditions[0].type}=Ready", True),
        ("{.status.conditions[*].status}=True", False),
        ("{.status['model.name']}=m", True),
    ],
)
def test_json_paths(expression: str, holds: bool) -> None:
    assert jsonpath.satisfied(jsonpath.parse(expression), LIVE) is holds


@pytest.mark.parametrize("expression", ["", "{", "{}", "{.a[}", "{.a}=", "{.a}b"])
def test_what_is_no_json_path_is_refused(expression: str) -> None:
    with pytest.raises(PortolanError):
        jsonpath.parse(expression)


@pytest.mark.parametrize(
    ("annotation", "ready"),
    [
        ("condition=Ready", True),
        ("condition=Odd", False),
        ("condition=Odd=False", True),
        ('["condition=Ready", "jsonpath={.status.phase}=Running"]', True),
        ('["condition=Ready", "condition=Odd"]', False),
    ],
)
def test_the_program_may_say_what_is_waited_for(annotation: str, ready: bool) -> None:
    assert awaits.wait_for(annotation)(LIVE, {}).ready is ready


@pytest.mark.parametrize("annotation", ["Ready", "[]", "jsonpath", "state=x"])
def test_a_wait_that_cannot_be_understood_is_refused(annotation: str) -> None:
    with pytest.raises(PortolanError, match=r"pulumi\.com/waitFor"):
        awaits.wait_for(annotation)
