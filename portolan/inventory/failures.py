"""From what a task said when it failed to one error with its remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from portolan.errors import PortolanError
from portolan.inventory.events import TaskResult

RUN_AGAIN = "see the log, mend the host, and run the same command again: it continues where it stopped"

# First match wins. What a person can do about it, by what the failed task said.
REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"host key verification failed|remote host identification has changed",
        "make sure that it is the right host, then take its old key out of the state's ssh/known_hosts",
    ),
    (
        r"permission denied \(publickey|too many authentication failures",
        "put the site's public key into the user's ~/.ssh/authorized_keys on the host, or set `hosts.ssh.private_key`",
    ),
    (
        r"(no such identity|identity file).*|invalid format.*key",
        "set `hosts.ssh.private_key` in the site file to a private key that this machine has",
    ),
    (
        r"connection refused|connection timed out|no route to host|connection reset|timed out|"
        r"could not resolve hostname|connection closed",
        "see that the host is on, its SSH server runs and its address is right, then run the same command again",
    ),
    (
        r"missing sudo password|password is required|incorrect sudo password|not in the sudoers",
        "let the user run sudo without a password on the host (a file in /etc/sudoers.d)",
    ),
    (
        r"python3?: (command )?not found|interpreter.*not found|/usr/bin/python3: no such file",
        "install python3 on the host",
    ),
    (
        r"no space left on device|disk quota exceeded|not enough free (disk )?space",
        "free some space on the host (df -h), then run the same command again",
    ),
    (r"read-only file system", "mount the file system for writing, and look at the host's disk for errors (dmesg)"),
    (
        r"could not get lock|unable to lock|failed to lock apt|dpkg was interrupted",
        "let the host's other package manager end, or run `sudo dpkg --configure -a` there; then run it again",
    ),
    (
        r"no package matching|unable to locate package|failed to update apt cache|failed to fetch",
        "give the host a mirror that it reaches, or build the bundle again: its folder debian/ has the packages",
    ),
    (
        r"does not have the checksum that the bundle's index gives|the bundle has no",
        "run `portolan bundle build` (or `portolan bundle verify`) and then this command again",
    ),
    (
        r"port (\d+) is in use|address already in use",
        "stop what listens on that port of the host (sudo ss -ltnp), then run the same command again",
    ),
    (
        r"timed out waiting for the condition|context deadline exceeded",
        "look at the host's kubelet (sudo journalctl -u kubelet) and run the same command again",
    ),
)


def failure(failures: Sequence[TaskResult], log: str) -> PortolanError:
    """Return one error for all failed tasks: the host, the task, what it said, and what to do."""
    hosts = list(dict.fromkeys(one.host for one in failures))
    found = [_parts(one) for one in failures]
    whats = list(dict.fromkeys(f"{where}{what}" for one in found for where, what, _ in one))
    remedies = list(dict.fromkeys(remedy for one in found for _, _, remedy in one))
    return PortolanError(
        f"host {', '.join(hosts)}", "\n".join(whats), "; ".join(remedies) + (f" (log: {log})" if log else "")
    )


def _parts(result: TaskResult) -> list[tuple[str, str, str]]:
    if result.role == "preflight" and "Remedy: " in result.message:
        problems = [line.split(" Remedy: ", 1) for line in result.message.splitlines() if " Remedy: " in line]
        return [(f"{result.host}: ", what.rstrip("."), remedy.rstrip(".")) for what, remedy in problems]
    doing = "cannot be reached" if result.status == "unreachable" else f"{result.role} : {result.task} failed"
    return [(f"{result.host}: {doing}: ", _short(result.message), remedy_for(result.message))]


def _short(message: str) -> str:
    text = message.removeprefix("Task failed: ").strip()
    return text if len(text) <= 1200 else text[:400] + " … " + text[-800:]


def remedy_for(message: str) -> str:
    """Return what a person can do about a failed task's message.

    >>> remedy_for("cp: No space left on device")
    'free some space on the host (df -h), then run the same command again'
    """
    for pattern, remedy in REMEDIES:
        if re.search(pattern, message, re.IGNORECASE):
            return remedy
    return RUN_AGAIN
