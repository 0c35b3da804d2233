"""Killed at any moment, `up` and `down` both reach a clean state."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.sandbox import mounts, names, places
from tests.sandbox.conftest import COMMAND

pytestmark = pytest.mark.sandbox

NAME = "spec-killed"
MOMENT_SECONDS = 30


@pytest.fixture
def killed(trial):
    """A sandbox to be killed, beside a process of somebody else that must outlive every removal."""
    made = trial(NAME, "10.91.13.0/24")
    bystander = subprocess.Popen(["sleep", "300"], cwd=made.state_home)
    yield made
    made.down()
    assert made.traces() == []
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def bridge_stands(_):
    return Path("/sys/class/net", names.bridge(NAME)).exists()


def groups_are_made(_):
    return any(Path("/sys/fs/cgroup/pids").rglob(f"portolan-{NAME}.*"))


def host_is_starting(trial):
    return bool(trial.supervisors())


MOMENTS = (bridge_stands, groups_are_made, host_is_starting)


def kill_up_at(trial, moment):
    """Start `up` and kill it, and nothing else, as soon as the moment has come."""
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "up", str(trial.file)], env=trial.environment(), stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + MOMENT_SECONDS
    while not moment(trial):
        assert process.poll() is None, "up ended before the moment came"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("moment", MOMENTS)
def test_up_killed_then_up_stands_then_down_leaves_nothing(killed, moment):
    kill_up_at(killed, moment)
    killed.up()
    assert killed.on("control-1", "hostname") == "control-1"
    killed.down()
    assert killed.traces() == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_up_killed_then_down_leaves_nothing(killed, moment):
    kill_up_at(killed, moment)
    killed.down()
    assert killed.traces() == []


def test_ctrl_c_ends_up_at_once_and_up_goes_on(killed):
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "up", str(killed.file)], env=killed.environment(), stderr=subprocess.PIPE, text=True
    )
    while not bridge_stands(killed):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 2, said
    assert "interrupted" in said
    assert "remedy:" in said
    assert "Traceback" not in said
    killed.up()


def test_down_killed_then_down_leaves_nothing(killed):
    killed.up()
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "down", str(killed.file)], env=killed.environment(), stderr=subprocess.DEVNULL
    )
    while killed.supervisors():
        time.sleep(0.002)
    process.kill()
    process.wait()
    killed.down()
    assert killed.traces() == []


def test_hosts_whose_state_is_gone_are_found_and_removed_by_name(killed):
    killed.up()
    shutil.rmtree(killed.state)
    listed = killed.run("list").stdout
    assert NAME in listed
    everything = subprocess.run(
        [*COMMAND, "sandbox", "down", "--all", "--dry-run"],
        env=killed.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert names.bridge(NAME) in everything.stderr
    assert names.forward_chain(NAME) in everything.stderr
    subprocess.run([*COMMAND, "sandbox", "down", NAME], env=killed.environment(), check=True, capture_output=True)
    assert killed.traces() == []


def test_hosts_whose_state_is_gone_give_way_to_new_ones(killed):
    killed.up()
    before = killed.supervisors()
    shutil.rmtree(killed.state)
    killed.up()
    assert killed.supervisors() != before
    assert killed.on("control-1", "hostname") == "control-1"


def test_a_mount_below_the_state_is_unmounted_and_never_emptied(killed, tmp_path):
    (tmp_path / "precious").write_text("kept")
    point = killed.state / "hosts" / "control-1" / "mounted"
    point.mkdir(parents=True)
    subprocess.run(["mount", "--bind", tmp_path, point], check=True)
    with pytest.raises(PortolanError, match="is mounted"):
        mounts.remove_tree(killed.state)
    killed.down()
    assert (tmp_path / "precious").read_text() == "kept"
    assert not point.exists()


def test_a_second_command_on_the_same_sandbox_is_refused_while_the_first_works(killed):
    with places.alone(NAME):
        done = killed.run("up")
    assert done.returncode == 2
    assert str(os.getpid()) in done.stderr
    assert "remedy:" in done.stderr
