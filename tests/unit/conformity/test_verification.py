"""Measuring many targets side by side, keeping the evidence, and telling people."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path

import pytest

from portolan.conformity import render
from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.ledger import DIGEST, EVIDENCE, Ledger
from portolan.conformity.reach import HostUnreachableError
from portolan.conformity.registry import CHECKS
from portolan.conformity.verification import verify
from portolan.conformity.world import World
from portolan.requirements.loader import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.engine import size
from portolan.sizing.plan import Target

REPOSITORY = Path(__file__).parents[3]
PLAN = size(load_site(REPOSITORY / "sites" / "sandbox.yaml"), load_requirements())


def world():
    return World(plan=PLAN, hosts={}, kubeconfig=Path("/nonexistent"), endpoint="http://127.0.0.1:9")


def target(check, subject="host/worker-1", simulated=False, **more):
    fields = {"operator": ">=", "value": 2.0, "unit": "cores", **more}
    return Target(
        id=f"R/{check}/{subject}/{fields.get('statistic', 'value')}",
        requirement="R",
        subject=subject,
        check=check,
        simulated=simulated,
        **fields,
    )


def check(name, measure, **more):
    return {name: Check(name, "something", "cores", "count", measure, **more)}


def verdicts(targets, checks):
    return [judgement.verdict for judgement in verify(world(), targets, checks)]


def test_a_target_without_check_is_not_measured():
    (judgement,) = verify(world(), [target("host.smell")], {})
    assert judgement.verdict == "not-measured"
    assert "host.smell" in judgement.explanation


def test_an_unknown_statistic_is_not_measured():
    checks = check("host.x", lambda *_: Reading(9.0))
    assert verdicts([target("host.x", statistic="p12")], checks) == ["not-measured"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (HostUnreachableError("worker-1 (10.0.0.9): connection reset"), "unreachable while it was measured"),
        (LookupError("the site has no host 'x'"), "no host 'x'"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_check_that_breaks_is_not_measured_and_says_why(error, words):
    def broken(*_):
        raise error

    (judgement,) = verify(world(), [target("host.x")], check("host.x", broken))
    assert judgement.verdict == "not-measured"
    assert words in judgement.explanation


def test_a_host_that_dies_midway_leaves_the_others_their_verdicts():
    alive = {"worker-1": 1}

    def measure(_, subject, __):
        if subject == "worker-1" and alive["worker-1"] == 0:
            raise HostUnreachableError("worker-1: connection closed")
        alive["worker-1"] -= subject == "worker-1"
        return Reading(4.0)

    checks = check("host.a", measure) | check("host.b", measure)
    targets = [target(name, f"host/{host}") for host in ("worker-1", "worker-2") for name in ("host.a", "host.b")]
    assert verdicts(targets, checks) == ["pass", "not-measured", "pass", "pass"]


def test_subjects_are_measured_side_by_side():
    meeting = threading.Barrier(3, timeout=5)

    def wait_for_the_others(*_):
        meeting.wait()
        return Reading(4.0)

    targets = [target("host.x", f"host/{name}") for name in ("a", "b", "c")]
    assert verdicts(targets, check("host.x", wait_for_the_others)) == ["pass"] * 3


def test_what_is_timed_runs_after_everything_else():
    order = []

    def slow(*_):
        time.sleep(0.05)
        order.append("other")
        return Reading(4.0)

    def timed(*_):
        order.append("timed")
        return Reading(4.0)

    checks = check("endpoint.timed", timed, needs=Needs(alone=True)) | check("host.x", slow)
    verify(world(), [target("endpoint.timed", "endpoint/x"), target("host.x")], checks)
    assert order == ["other", "timed"]


def test_two_targets_of_one_check_and_subject_share_one_measurement():
    calls = []

    def measure(*_):
        calls.append(1)
        return Reading(4.0)

    first, second = target("host.x"), target("host.x", value=8.0).model_copy(update={"id": "other"})
    assert verdicts([first, second], check("host.x", measure)) == ["pass", "fail"]
    assert len(calls) == 1


def test_simulated_accelerators_of_the_plan_never_pass():
    targets = [entry for entry in PLAN.targets if entry.check == "host.accelerators"]
    targets = targets or [target("host.accelerators", "host/worker-2", unit="GPU", value=1.0)]
    for judgement in verify(world(), targets, CHECKS):
        assert judgement.verdict == "not-measured"
        assert "simulated" in judgement.explanation
        assert "(simulated)" in render.rows([judgement])[0][4]


def test_every_check_that_the_requirements_name_exists():
    named = {name for row in load_requirements().rows for name in row.checks}
    assert named
    assert named <= set(CHECKS), f"not in the registry: {sorted(named - set(CHECKS))}"


def test_every_check_has_its_line_in_the_reference():
    text = (REPOSITORY / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")
    for name, entry in CHECKS.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}` |")]
        assert f"| {entry.unit} |" in line


def judgements():
    checks = check("host.good", lambda *_: Reading(4.0)) | check("host.bad", lambda *_: Reading(1.0))
    checks |= check("host.none", lambda *_: nothing("no [device]"))
    targets = [target(name) for name in ("host.good", "host.none", "host.bad")]
    return verify(world(), targets, checks)


def test_people_see_fails_first_and_passes_last():
    ordered = [judgement.verdict for judgement in render.in_order(judgements())]
    assert ordered == ["fail", "not-measured", "pass"]
    assert render.summary_line(judgements()) == "1 pass, 1 fail, 1 not measured"


def test_targets_that_differ_in_host_or_requirement_only_share_a_line():
    checks = check("host.x", lambda *_: Reading(4.0))
    first, second = target("host.x", "host/a"), target("host.x", "host/b")
    third = first.model_copy(update={"id": "third", "requirement": "S"})
    (line,) = render.rows(verify(world(), [first, second, third], checks))
    assert line[1:3] == ("host.x", "host/a\n     b")
    assert line[-1] == "R\nS"


def test_programs_get_one_document_in_the_plans_order():
    document = render.document("x", "2026-01-01T00:00:00Z", judgements())
    assert json.loads(json.dumps(document))["summary"] == {"pass": 1, "fail": 1, "not-measured": 1}
    assert [entry["verdict"] for entry in document["judgements"]] == ["pass", "not-measured", "fail"]


def test_evidence_is_kept_line_by_line_with_its_digest(tmp_path):
    with Ledger(tmp_path, {"site": "x"}) as ledger:
        for judgement in judgements():
            ledger.note(judgement)
    text = (ledger.directory / EVIDENCE).read_bytes()
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["site"] == "x"
    assert [line["verdict"] for line in lines[1:]] == ["pass", "not-measured", "fail"]
    assert (ledger.directory / DIGEST).read_text().split() == [hashlib.sha256(text).hexdigest(), EVIDENCE]


def test_a_run_that_was_stopped_leaves_its_lines_and_no_digest(tmp_path):
    (judgement, *_) = judgements()
    with pytest.raises(KeyboardInterrupt), Ledger(tmp_path, {"site": "x"}) as ledger:  # noqa: PT012 - killed at work
        ledger.note(judgement)
        raise KeyboardInterrupt
    assert len((ledger.directory / EVIDENCE).read_text().splitlines()) == 2
    assert not (ledger.directory / DIGEST).exists()


def test_two_runs_in_one_second_do_not_share_a_folder(tmp_path):
    with Ledger(tmp_path, {}) as one, Ledger(tmp_path, {}) as other:
        assert one.directory != other.directory
