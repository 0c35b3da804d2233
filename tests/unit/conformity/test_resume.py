"""A burn-in that was stopped goes on: nothing is measured twice, and its evidence is one whole, signed file."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from portolan.conformity.archive import read_evidence, stopped_run
from portolan.conformity.check import Check, Reading, nothing
from portolan.conformity.ledger import EVIDENCE, SIGNATURE, Ledger
from portolan.conformity.run import measured_before
from portolan.conformity.signing import signing_key
from portolan.conformity.verification import verify
from portolan.errors import PortolanError
from tests.unit.conformity.test_verification import target, world

TARGETS = [target(f"host.x{number}") for number in range(4)]
HEADER = {"site": "x", "site_digest": "d", "depth": "burn-in", "only": "*", "portolan": "1"}


@pytest.fixture
def header(monkeypatch, tmp_path):
    monkeypatch.setenv("PORTOLAN_STATE", str(tmp_path / "state"))
    return {**HEADER, "time": datetime.now(UTC).isoformat(timespec="seconds")}


def checks(calls, lost=""):
    def measure(name):
        def one(*_):
            calls.append(name)
            return nothing("unreachable") if name == lost else Reading(4.0)

        return one

    return {t.check: Check(t.check, "x", "cores", "n", measure(t.check)) for t in TARGETS}


def stopped(tmp_path, header, lost="", after=3):
    """Run until so many targets are noted, then stop as Ctrl-C does."""
    calls = []

    class StoppedError(Exception):
        pass

    ledger = Ledger(tmp_path, header, signing_key("x"))

    def note(judgement):
        ledger.note(judgement)
        if len(calls) == after:
            raise StoppedError

    with suppress(StoppedError), ledger:
        verify(world(), TARGETS, checks(calls, lost), note)
    assert len(calls) == after
    return ledger.directory


def go_on(tmp_path, header, lost=""):
    calls = []
    kept = stopped_run(tmp_path, header, checks([]))
    done = measured_before(TARGETS, kept)
    with Ledger(tmp_path, dict(kept.header), signing_key("x"), kept.folder) as ledger:
        verify(world(), [t for t in TARGETS if t.id not in done], checks(calls), ledger.note)
    return calls, ledger.directory


def test_what_was_measured_is_not_measured_again(tmp_path, header):
    folder = stopped(tmp_path, header)
    assert not (folder / SIGNATURE).exists()
    calls, again = go_on(tmp_path, header)
    assert calls == ["host.x3"]
    assert again == folder
    whole = read_evidence(folder, checks([]))
    assert [(entry.target.id, entry.verdict) for entry in whole.judgements] == [(t.id, "pass") for t in TARGETS]


def test_what_could_not_be_measured_is_tried_again_and_the_later_result_holds(tmp_path, header):
    stopped(tmp_path, header, lost="host.x1")
    calls, folder = go_on(tmp_path, header)
    assert calls == ["host.x1", "host.x3"]
    assert {entry.verdict for entry in read_evidence(folder, checks([])).judgements} == {"pass"}


def test_a_line_that_was_cut_off_as_the_run_was_killed_is_no_judgement(tmp_path, header):
    folder = stopped(tmp_path, header)
    with (folder / EVIDENCE).open("a") as file:
        file.write('{"target": {"id": "R/ho')
    calls, _ = go_on(tmp_path, header)
    assert calls == ["host.x3"]
    assert len(read_evidence(folder, checks([])).judgements) == len(TARGETS)


def test_a_stopped_run_whose_lines_were_edited_is_refused(tmp_path, header):
    folder = stopped(tmp_path, header)
    text = (folder / EVIDENCE).read_text().replace('"value": 4.0', '"value": 9.0', 1)
    (folder / EVIDENCE).write_text(text)
    with pytest.raises(PortolanError, match="evidence was edited"):
        go_on(tmp_path, header)


@pytest.mark.parametrize("field", HEADER)
def test_a_run_of_another_site_depth_or_version_is_not_gone_on_with(tmp_path, header, field):
    stopped(tmp_path, header)
    with pytest.raises(PortolanError, match="was stopped there"):
        stopped_run(tmp_path, {**header, field: "other"}, checks([]))


def test_a_run_that_ended_is_not_gone_on_with(tmp_path, header):
    stopped(tmp_path, header)
    go_on(tmp_path, header)
    with pytest.raises(PortolanError, match="was stopped there"):
        stopped_run(tmp_path, header, checks([]))


def test_a_target_that_has_changed_since_is_measured_again(tmp_path, header):
    stopped(tmp_path, header)
    kept = stopped_run(tmp_path, header, checks([]))
    stricter = [TARGETS[0].model_copy(update={"value": 8.0}), *TARGETS[1:]]
    assert TARGETS[0].id not in measured_before(stricter, kept)
    assert TARGETS[1].id in measured_before(stricter, kept)
