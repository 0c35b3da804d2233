"""What cannot stand is refused with one clear error and exit code 2, before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox.conftest import Trial

pytestmark = pytest.mark.sandbox

BAD_SITES = sorted((Path(__file__).parent / "bad-sites").glob("*.yaml"))


def refused(done):
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("error:") == 1
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("file", BAD_SITES, ids=lambda file: file.stem)
def test_a_bad_site_is_refused(file, trial, state_home):
    made = Trial("spec-thief", file, state_home)
    said = refused(made.run("up"))
    expected = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# says: ")
    assert expected in said
    assert made.traces() == []


def test_there_are_bad_sites():
    assert BAD_SITES


def test_a_range_that_is_taken_is_refused_and_its_owner_named(trial):
    owner = trial("spec-one", "10.91.11.0/24")
    owner.up()
    try:
        thief = trial("spec-thief", "10.91.11.128/25")
        said = refused(thief.run("up"))
        assert "taken" in said
        assert "spec-one" in said
        assert thief.traces() == []
        assert owner.on("control-1", "echo here") == "here"

        owner.write("10.91.14.0/24", workers=0)
        assert "10.91.14.0/24" in refused(owner.run("up"))
    finally:
        owner.down()
    assert owner.traces() == []


def test_a_cache_without_a_bundle_is_refused(trial, tmp_path):
    made = trial("spec-thief", "10.91.15.0/24")
    said = refused(made.run("up", environment=made.environment(PORTOLAN_CACHE=str(tmp_path))))
    assert "portolan bundle build" in said
    assert made.traces() == []


@pytest.mark.parametrize("verb", [("shell", "control-1"), ("logs", "control-1")])
def test_hosts_that_are_not_there_are_refused(trial, verb):
    made = trial("spec-thief", "10.91.15.0/24")
    assert "sandbox up" in refused(made.run(*verb))
