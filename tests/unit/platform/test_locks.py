"""A lock of a killed run is removed; a lock whose owner lives is respected."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from portolan.errors import PortolanError
from portolan.platform.locks import clear_dead_locks, is_alive


@pytest.fixture
def lock(tmp_path):
    def write(pid, hostname=None):
        file = tmp_path / ".pulumi/locks/organization/portolan/example/1.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "pid": pid,
            "username": "root",
            "hostname": hostname or socket.gethostname(),
            "timestamp": "2026-01-01T00:00:00Z",
        }
        file.write_text(json.dumps(content))
        file.with_name("1.json.attrs").write_text("{}")
        return file

    return write


def clear(tmp_path):
    clear_dead_locks(f"file://{tmp_path}", "portolan", "example")


def ended_process():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_lock_of_a_dead_run_is_removed_and_said(tmp_path, lock, capsys):
    file = lock(ended_process())
    clear(tmp_path)
    assert not list(file.parent.iterdir())
    assert "killed" in capsys.readouterr().err


def test_a_process_that_merely_has_the_same_number_does_not_hold_the_lock(tmp_path, lock):
    file = lock(os.getpid())  # alive, but no Pulumi
    clear(tmp_path)
    assert not file.exists()


def test_the_lock_of_a_living_run_stays(tmp_path, lock):
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); import time; time.sleep(60)  # pulumi"], stdout=subprocess.PIPE
    )
    try:
        process.stdout.readline()  # from here on it is what its command line says
        file = lock(process.pid)
        with pytest.raises(PortolanError, match="another run works on the stack"):
            clear(tmp_path)
        assert file.exists()
    finally:
        process.kill()
        process.wait()


def test_the_lock_of_another_host_stays_and_names_it(tmp_path, lock):
    file = lock(1, hostname="other-host")
    with pytest.raises(PortolanError, match="other-host"):
        clear(tmp_path)
    assert file.exists()


def test_a_lock_that_was_written_half_is_removed(tmp_path, lock):
    file = lock(1)
    file.write_text('{"pid": ')
    clear(tmp_path)
    assert not file.exists()


def test_a_backend_that_is_no_folder_is_left_to_itself():
    clear_dead_locks("s3://states/portolan", "portolan", "example")


def test_an_engine_that_outlived_its_command_is_ended_and_its_lock_removed(lock, tmp_path):
    engine = [sys.executable, "-c", "import time; time.sleep(600)", "pulumi", "--event-log"]
    command = f"import subprocess; print(subprocess.Popen({engine!r}, stdout=subprocess.DEVNULL).pid)"
    started = subprocess.run([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True, check=True, timeout=20)
    file = lock(int(started.stdout))
    clear(tmp_path)
    assert not file.exists()
    assert not is_alive(int(started.stdout))
