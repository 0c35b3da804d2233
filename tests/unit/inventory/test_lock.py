"""One run at a time: a live one is respected, what a killed one left is ended."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.inventory.lock import alone, holders

# A run that starts a child which inherits the lock and ignores nothing, says so, and stays.
RUN = """
import subprocess, sys, time
from pathlib import Path
from portolan.inventory.lock import alone
with alone(Path(sys.argv[1])) as lock:
    child = subprocess.Popen(["sleep", "300"], pass_fds=(lock,), start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def run(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    yield process, child
    process.kill()
    process.wait()
    for left in holders(tmp_path.resolve() / "converge.lock"):
        subprocess.run(["kill", "-9", str(left)], check=False)


def test_a_live_run_is_respected_and_named(run, tmp_path):
    process, child = run
    with pytest.raises(PortolanError, match=f"process {process.pid}"), alone(tmp_path):
        pass
    assert Path(f"/proc/{child}").exists()


def test_what_a_killed_run_left_is_ended(run, tmp_path):
    process, child = run
    process.kill()
    process.wait()
    assert Path(f"/proc/{child}").exists()

    with alone(tmp_path):
        assert holders(tmp_path.resolve() / "converge.lock") == set()
    end = time.monotonic() + 5
    while Path(f"/proc/{child}/fd").exists() and list(Path(f"/proc/{child}/fd").iterdir()):
        assert time.monotonic() < end


def test_a_run_that_did_not_note_itself_is_taken_for_alive(tmp_path):
    path = tmp_path / "converge.lock"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PortolanError, match="another run"), alone(tmp_path):
            pass


def test_the_lock_is_free_after_a_run(tmp_path):
    with alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
