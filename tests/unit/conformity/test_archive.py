"""Evidence read back: it is whole and signed, or it is refused; it is judged again without measuring; runs compare."""

from __future__ import annotations

import hashlib
import json

import pytest

from portolan.conformity import run as verification_run
from portolan.conformity.archive import judge_again, latest, read_evidence
from portolan.conformity.check import Check, Reading, nothing
from portolan.conformity.compare import compare
from portolan.conformity.depth import Depth
from portolan.conformity.evidence import Evidence
from portolan.conformity.ledger import BEGINNING, DIGEST, EVIDENCE, SIGNATURE, Ledger
from portolan.conformity.signing import key_path, public_text, sign, signing_key
from portolan.conformity.verification import Clock, verify
from portolan.errors import PortolanError
from tests.unit.conformity.test_verification import target, world

CHECK = Check(
    "host.x", "x", "cores", "count", lambda *_: Reading(4.0, raw="4"), reread=lambda raw, _: Reading(float(raw))
)
CHECKS = {"host.x": CHECK, "host.none": Check("host.none", "x", "cores", "count", lambda *_: nothing("no device"))}
TARGETS = [target("host.x"), target("host.none")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTOLAN_STATE", str(tmp_path / "state"))
    from datetime import UTC, datetime

    header = {"site": "x", "time": datetime.now(UTC).isoformat(timespec="seconds"), "depth": "quick"}
    with Ledger(tmp_path / "evidence", header, signing_key("x")) as ledger:
        verify(world(), TARGETS, CHECKS, ledger.note)
    return ledger.directory


def refused(folder, words):
    with pytest.raises(PortolanError, match=words) as caught:
        read_evidence(folder, CHECKS)
    assert caught.value.remedy


def lines(folder):
    return (folder / EVIDENCE).read_text(encoding="utf-8").splitlines()


def write(folder, edited, chain=False, signed_by=None):
    """Write edited lines; a careful forger mends the chain and the digest, and signs with a key of his own."""
    if chain:
        previous, mended = BEGINNING, []
        for line in edited:
            mended.append(json.dumps({**json.loads(line), "previous": previous}, ensure_ascii=False, sort_keys=True))
            previous = hashlib.sha256((mended[-1] + "\n").encode()).hexdigest()
        edited = mended
    text = "".join(line + "\n" for line in edited)
    (folder / EVIDENCE).write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / DIGEST).write_text(f"{digest}  {EVIDENCE}\n", encoding="utf-8")
    if signed_by is not None:
        document = {"lines": len(edited), "sha256": digest, "public_key": public_text(signed_by.public_key())}
        document["signature"] = sign(signed_by, digest.encode())
        (folder / SIGNATURE).write_text(json.dumps(document), encoding="utf-8")


def test_whole_evidence_gives_the_same_verdicts_again(folder):
    kept = read_evidence(folder, CHECKS)
    again = judge_again(TARGETS, kept)
    assert [entry.verdict for entry in again] == ["pass", "not-measured"]
    assert again[0].evidence.raw == "4"


def test_a_stricter_target_judged_by_the_same_evidence_fails(folder):
    (again,) = judge_again([target("host.x", value=8.0)], read_evidence(folder, CHECKS))
    assert again.verdict == "fail"


def test_what_the_run_did_not_look_at_is_not_measured(folder):
    (again,) = judge_again([target("host.other")], read_evidence(folder, CHECKS))
    assert again.verdict == "not-measured"
    assert "did not look" in again.explanation


def test_a_changed_value_is_refused(folder):
    write(folder, [line.replace('"value": 2.0', '"value": 1.0') for line in lines(folder)])
    refused(folder, "evidence was edited")


def test_a_line_that_was_taken_out_is_refused(folder):
    write(folder, [lines(folder)[0], *lines(folder)[2:]])
    refused(folder, "does not follow on the line before")


def test_a_mended_chain_does_not_have_the_signature(folder):
    write(folder, lines(folder)[:2], chain=True)
    refused(folder, "not the one that was signed")


def test_another_key_is_not_the_sites(folder):
    write(folder, lines(folder)[:2], chain=True, signed_by=signing_key("forger"))
    refused(folder, "another key than the site's")


def test_a_signature_that_names_the_right_key_must_be_by_it(folder):
    document = json.loads((folder / SIGNATURE).read_text())
    document["signature"] = sign(signing_key("forger"), document["sha256"].encode())
    (folder / SIGNATURE).write_text(json.dumps(document))
    refused(folder, "signature does not hold")


def test_a_value_must_follow_from_its_raw_output_even_where_the_signature_holds(folder):
    edited = [line.replace('"raw": "4"', '"raw": "1"') for line in lines(folder)]
    write(folder, edited, chain=True, signed_by=signing_key("x"))
    refused(folder, "output that was kept gives 1.0")


def test_a_clock_that_jumped_is_seen_in_the_evidence(folder):
    edited = [line.replace('"elapsed_seconds": 0.', '"elapsed_seconds": 9000.') for line in lines(folder)]
    write(folder, edited, chain=True, signed_by=signing_key("x"))
    refused(folder, "the clock jumped")


def test_a_run_that_was_stopped_is_no_evidence(folder):
    (folder / SIGNATURE).unlink()
    refused(folder, "was stopped")
    with pytest.raises(PortolanError, match="no complete evidence"):
        latest(folder.parent / "nothing")


def test_the_key_is_for_its_owner_only(folder):
    assert key_path("x").stat().st_mode & 0o777 == 0o600
    key_path("x").chmod(0o644)
    refused(folder, "others can read the key")


def test_a_clock_that_is_set_while_it_measures_gives_no_value():
    wall, passed = [1000.0], [0.0]
    clock = Clock(lambda: wall[0], lambda: passed[0])
    evidence = Evidence(value=4.0, unit="cores", method="m", host="h", time="2026-01-01T00:00:00Z")
    wall[0], passed[0] = 1060.01, 60.0
    assert clock.checked(evidence) == evidence
    wall[0] -= 3600
    assert clock.checked(evidence).value is None
    assert "-3600 s" in clock.checked(evidence).reason_not_measured


def test_two_loads_at_once_on_a_site_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PORTOLAN_STATE", str(tmp_path))
    with verification_run.alone("x", Depth.STANDARD):
        with pytest.raises(PortolanError, match="another verification"), verification_run.alone("x", Depth.BURN_IN):
            pass
        with verification_run.alone("x", Depth.QUICK):
            pass
    with verification_run.alone("x", Depth.STANDARD):
        pass


def test_runs_compare_by_verdict_and_figure():
    def judged(value):
        return verify(world(), [target("host.x")], {"host.x": Check("host.x", "x", "cores", "n", lambda *_: value)})

    def what(one, other):
        return compare(judged(one), judged(other))[0].what

    assert what(Reading(4.0), Reading(4.1)) == "same"
    assert what(Reading(4.0), Reading(3.0)) == "moved"
    assert what(Reading(4.0), Reading(1.0)) == "worse"
    assert what(Reading(4.0), nothing("gone")) == "worse"
    assert what(Reading(1.0), Reading(4.0)) == "better"
    assert compare([], judged(Reading(4.0)))[0].what == "only after"
