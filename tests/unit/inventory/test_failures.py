"""Every failure becomes one error: the host, what happened, and what to do."""

from __future__ import annotations

import pytest

from portolan.inventory.events import TaskResult
from portolan.inventory.failures import RUN_AGAIN, failure, remedy_for


def failed(message: str, host: str = "worker-1", role: str = "images", status: str = "failed") -> TaskResult:
    return TaskResult(kind="result", host=host, role=role, task="Import", status=status, seconds=1.0, message=message)


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("ssh: connect to host 192.0.2.7 port 22: Connection refused", "SSH server runs"),
        ("ssh: connect to host 192.0.2.7 port 22: No route to host", "SSH server runs"),
        ("portolan@192.0.2.7: Permission denied (publickey).", "authorized_keys"),
        ("Host key verification failed.", "known_hosts"),
        ("Missing sudo password", "sudoers.d"),
        ("write /var/lib/containerd/x: no space left on device", "df -h"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "install python3"),
        ("[ERROR Port-10250]: Port 10250 is in use", "listens on that port"),
        ("/x/pause.tar does not have the checksum that the bundle's index gives for it", "portolan bundle build"),
        ("Could not get lock /var/lib/dpkg/lock-frontend", "dpkg --configure -a"),
    ],
)
def test_what_was_said_leads_to_what_to_do(message: str, remedy: str):
    assert remedy in remedy_for(message)


def test_an_unknown_failure_points_to_the_log():
    assert remedy_for("something new") == RUN_AGAIN


def test_the_error_names_host_task_message_and_log():
    error = failure([failed("no space left on device")], "/logs/one.log")
    assert "worker-1" in error.where
    assert "images : Import failed: no space left on device" in error.what
    assert "/logs/one.log" in error.remedy


def test_the_same_failure_of_many_hosts_is_one_error_with_one_remedy():
    error = failure([failed("Connection refused", host=name, status="unreachable") for name in ("a", "b")], "")
    assert error.where == "host a, b"
    assert error.what.count("cannot be reached") == 2
    assert error.remedy.count("SSH server") == 1


def test_preflights_own_remedies_are_kept():
    message = "port 6443 is taken by the process nginx. Remedy: stop it.\nthe clock is 9 s behind. Remedy: use NTP."
    error = failure([failed(message, role="preflight")], "")
    assert error.what == "worker-1: port 6443 is taken by the process nginx\nworker-1: the clock is 9 s behind"
    assert error.remedy == "stop it; use NTP"
