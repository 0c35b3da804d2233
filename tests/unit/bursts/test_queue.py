"""Who may burst into the cloud, who waits, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.bursts.burst_queue import Job, Ledger, Limits, decide, limits_from, read_job, ready

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LIMITS = Limits(
    namespace="bursts",
    seconds_per_job=3600,
    node_hours_per_month=10,
    node_hour_price=2,
    monthly_budget=12,
    currency="USD",
    jobs_at_once=1,
)


def job(name, **more):
    values = {
        "uid": f"uid-{name}",
        "created": f"2026-11-25T10:00:0{len(name)}Z",
        "suspended": True,
        "status": "Suspended",
        "nodes": 2,
        "deadline_seconds": 3600,
        "data_class": "anonymised",
        **more,
    }
    return Job(name=name, **values)


def running(name, **more):
    return job(name, suspended=False, status="Running", started="2026-11-25T11:00:00Z", **more)


def ask(*jobs, nodes=2, silent=0.0, limits=LIMITS, ledger=None):
    verdicts = decide(jobs, nodes, silent, limits, ledger if ledger is not None else Ledger(), NOW)
    return {one.name: one for one in verdicts}


def test_a_job_is_let_in_where_there_is_room_and_money():
    ledger = Ledger()
    verdict = ask(job("a"), ledger=ledger)["a"]
    assert verdict.suspend is False
    assert "2.00 node-hours, 4.00 USD" in verdict.words
    assert ledger.taken("2026-11") == 2


def test_the_older_job_goes_first_and_the_other_waits():
    answers = ask(job("bb"), job("a"))
    assert answers["a"].suspend is False
    assert answers["bb"].suspend is None
    assert "1 at once" in answers["bb"].words


def test_a_job_that_runs_keeps_the_place():
    assert "1 at once" in ask(running("a"), job("bb"))["bb"].words


def test_without_a_node_in_the_cloud_jobs_wait_and_with_one_they_go_on():
    assert ask(job("a"), nodes=0)["a"].words == "waiting: no node in the cloud can be reached"
    assert "wants 2 nodes in the cloud, 1 can be reached" in ask(job("a"), nodes=1)["a"].words
    assert ask(job("a"), nodes=2)["a"].suspend is False


def test_a_running_job_outlives_a_short_silence_and_is_put_back_after_a_long_one():
    assert ask(running("a"), nodes=0, silent=59) == {}
    verdict = ask(running("a"), nodes=0, silent=60)["a"]
    assert verdict.suspend is True
    assert "starts anew" in verdict.words


def test_a_job_that_was_put_back_is_not_charged_twice():
    ledger = Ledger({"2026-11": {"uid-a": 2.0}})
    assert ask(job("a"), ledger=ledger)["a"].suspend is False
    assert ledger.taken("2026-11") == 2


def test_money_that_is_spent_holds_a_job_and_says_how_much_is_left():
    ledger = Ledger({"2026-11": {"earlier": 5.0}})
    verdict = ask(job("a"), ledger=ledger)["a"]
    assert verdict.suspend is None
    assert "may cost 4.00 USD, 2.00 are left in 2026-11" in verdict.words


def test_hours_that_are_spent_hold_a_job():
    ledger = Ledger({"2026-11": {"earlier": 9.0}})
    cheap = replace(LIMITS, node_hour_price=0.1)
    assert "2.00 node-hours, 1.00 are left" in ask(job("a"), ledger=ledger, limits=cheap)["a"].words


def test_a_new_month_has_its_own_budget():
    assert ask(job("a"), ledger=Ledger({"2026-10": {"earlier": 9.0}}))["a"].suspend is False


def test_a_job_that_ended_gives_back_what_it_did_not_take():
    ledger = Ledger({"2026-11": {"uid-a": 2.0}})
    ask(replace(running("a"), status="Complete", ended="2026-11-25T11:30:00Z"), ledger=ledger)
    assert ledger.taken("2026-11") == 1.0


def test_a_job_that_is_gone_is_still_paid():
    ledger = Ledger({"2026-11": {"gone": 5.0}})
    ask(ledger=ledger)
    assert ledger.taken("2026-11") == 5.0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"data_class": "sensitive"}, "HYB-9.5.4-02: its label portolan.dev/data-class is 'sensitive'"),
        ({"data_class": ""}, "HYB-9.5.4-02: its label portolan.dev/data-class is none"),
        ({"deadline_seconds": 0}, "no spec.activeDeadlineSeconds"),
        ({"deadline_seconds": 7200}, "deadline of 7200 s is over the 3600 s"),
        ({"nodes": 11}, "needs 11.00 node-hours, and a month has 10"),
        ({"nodes": 7}, "may cost 14.00 USD, and a month has 12"),
    ],
)
def test_what_can_never_run_is_refused_with_the_reason(more, words):
    verdict = ask(job("a", **more), nodes=20)["a"]
    assert verdict.suspend is None
    assert verdict.words.startswith("refused: ")
    assert words in verdict.words


def test_a_refused_job_does_not_hold_up_the_next():
    assert ask(job("a", deadline_seconds=0), job("bb"))["bb"].suspend is False


def test_a_ray_job_is_read_as_the_api_gives_it():
    found = read_job(
        {
            "metadata": {
                "name": "x",
                "uid": "u",
                "creationTimestamp": "2026-11-25T10:00:00Z",
                "labels": {"portolan.dev/data-class": "public"},
                "annotations": {"portolan.dev/burst": "waiting"},
            },
            "spec": {
                "suspend": True,
                "activeDeadlineSeconds": 60,
                "rayClusterSpec": {"workerGroupSpecs": [{"replicas": 2}, {"replicas": 1}]},
            },
        }
    )
    assert (found.nodes, found.deadline_seconds, found.data_class, found.told) == (3, 60, "public", "waiting")
    assert found.waiting


def test_only_nodes_that_are_ready_and_not_cordoned_count():
    def node(status, **spec):
        return {"spec": spec, "status": {"conditions": [{"type": "Ready", "status": status}]}}

    assert ready([node("True"), node("Unknown"), node("False"), node("True", unschedulable=True)]) == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "0", "-1"])
def test_limits_that_limit_nothing_are_refused(number):
    text = (
        '{"namespace": "bursts", "seconds_per_job": 1, "node_hours_per_month": 1, "node_hour_price": 1, '
        f'"monthly_budget": {number}, "currency": "USD", "jobs_at_once": 1}}'
    )
    with pytest.raises(ValueError, match="above 0"):
        limits_from(text)
