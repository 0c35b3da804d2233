"""`portolan up` is killed or interrupted at each stage: the same command goes on, and `down` leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portolan import paths
from portolan.sandbox import cgroups
from portolan.sites.loader import load_site
from tests.faults.conftest import FAULTS_SITE
from tests.support.sandbox import REPOSITORY, portolan

# The stage, and how many seconds into it the command is killed.
STAGES = (("hosts", 0.5), ("cluster", 20.0), ("platform", 15.0))
STAGE_SECONDS = 600
STOP_SECONDS = 60


def stage(name):
    record = paths.site_state("faults") / "up.json"
    try:
        stages = json.loads(record.read_text(encoding="utf-8"))["stages"]
    except (OSError, ValueError):
        return "absent"
    return next((entry["state"] for entry in stages if entry["name"] == name), "absent")


class Run:
    """`portolan up` in a process group of its own, its output kept."""

    def __init__(self, log):
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from portolan.cli import run; run()", "up", str(FAULTS_SITE)],
                cwd=REPOSITORY,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def until(self, name, state):
        end = time.monotonic() + STAGE_SECONDS
        while stage(name) != state:
            code = self.process.poll()
            assert code is None or stage(name) == state, f"ended with {code}: {self.tail()}"
            assert time.monotonic() < end, f"stage {name} is {stage(name)}: {self.tail()}"
            time.sleep(0.2)

    def stop(self, number):
        os.killpg(self.process.pid, number)
        return self.process.wait(STOP_SECONDS)

    def tail(self):
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    portolan("down", FAULTS_SITE, timeout_seconds=300)
    yield
    done = portolan("down", FAULTS_SITE, timeout_seconds=300)
    assert done.returncode == 0, done.stderr
    assert not [site for site, _ in cgroups.find() if site == "faults"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "seconds"), STAGES, ids=[name for name, _ in STAGES])
def test_killed_at_a_stage_the_same_command_goes_on(name, seconds, tmp_path):
    killed = Run(tmp_path / "killed.log")
    killed.until(name, "running")
    time.sleep(seconds)
    killed.stop(signal.SIGKILL)
    assert stage(name) == "running"

    again = Run(tmp_path / "again.log")
    again.until(name, "done")
    code = again.stop(signal.SIGINT)  # Ctrl-C, somewhere in what follows
    assert code == 2, again.tail()
    assert "run the same command again" in again.tail()
    assert "Traceback" not in again.tail()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_after_all_interruptions_the_site_stands():
    done = portolan("up", FAULTS_SITE, timeout_seconds=1500)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    verified = portolan("verify", FAULTS_SITE, "-o", "json", timeout_seconds=120)
    assert verified.returncode in (0, 1), verified.stderr
    verdicts = {entry["target"]["check"]: entry["verdict"] for entry in json.loads(verified.stdout)["judgements"]}
    assert verdicts["platform.inference-service-ready"] == "pass"
    assert verdicts["cluster.nodes-ready"] == "pass"


@pytest.mark.slow
def test_down_killed_half_way_still_ends_clean(tmp_path):
    command = [sys.executable, "-c", "from portolan.cli import run; run()", "down", str(FAULTS_SITE)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = portolan("down", FAULTS_SITE, timeout_seconds=300)
    assert done.returncode == 0, done.stderr
    assert not [site for site, _ in cgroups.find() if site == "faults"]
    assert not paths.site_state("faults").joinpath("hosts.json").exists()
    interfaces = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
    assert str(load_site(FAULTS_SITE).network.hosts[1]) not in interfaces
    assert "/sites/faults/" not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
