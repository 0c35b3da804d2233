"""A host's own control groups: one in every hierarchy that this machine has, version 1 and 2.

Without them all hosts would share /kubepods, and each kubelet would kill the pods it does not know.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sandbox import names

KILL_SECONDS = 20.0


class Hierarchy(Model):
    """One mounted cgroup hierarchy, and the group of it that hosts are made in."""

    mount_point: Path
    controllers: frozenset[str]  # empty: version 2
    parent: Path


def parse_hierarchies(mountinfo: str, own_groups: str) -> tuple[Hierarchy, ...]:
    """Return every cgroup hierarchy from the text of /proc/self/mountinfo and /proc/self/cgroup.

    Hosts are made below the group that this process is in, so that limits set on it hold for them too. Only a
    machine with nothing but version 2 makes them at the root, since there a group with processes has no
    controllers to hand down.
    """
    groups: dict[str, str] = {}
    for line in own_groups.splitlines():
        _, joined, path = line.split(":", 2)
        for controller in joined.split(","):
            groups[controller] = path
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        mount_root, mount_point = before.split(" ")[3:5]
        if kind == "cgroup":
            controllers = frozenset(option for option in options.split(",") if option in groups)
        elif kind == "cgroup2":
            controllers = frozenset()
        else:
            continue
        key = min(controllers) if controllers else ""
        if key not in groups:
            continue
        inside = os.path.relpath(groups[key], mount_root)
        parent = Path(mount_point) if inside.startswith("..") else Path(mount_point, inside)
        found.setdefault(mount_point, Hierarchy(mount_point=Path(mount_point), controllers=controllers, parent=parent))
    hierarchies = tuple(found.values())
    if all(not one.controllers for one in hierarchies):
        return tuple(one.model_copy(update={"parent": one.mount_point}) for one in hierarchies)
    return hierarchies


def hierarchies() -> tuple[Hierarchy, ...]:
    """Return the machine's cgroup hierarchies."""
    return parse_hierarchies(
        Path("/proc/self/mountinfo").read_text(encoding="utf-8"),
        Path("/proc/self/cgroup").read_text(encoding="utf-8"),
    )


def make(name: str) -> list[Path]:
    """Make a host's group in every hierarchy and return their directories; those that exist are kept."""
    directories = []
    only_version_2 = all(not one.controllers for one in hierarchies())
    for hierarchy in hierarchies():
        directory = hierarchy.parent / name
        try:
            if only_version_2:
                available = (hierarchy.parent / "cgroup.controllers").read_text(encoding="ascii").split()
                wanted = " ".join(f"+{controller}" for controller in available)
                (hierarchy.parent / "cgroup.subtree_control").write_text(wanted, encoding="ascii")
            directory.mkdir(exist_ok=True)
            if "cpuset" in hierarchy.controllers:  # a new cpuset is empty, and takes no process while it is
                for file in ("cpuset.cpus", "cpuset.mems"):
                    value = (hierarchy.parent / file).read_text(encoding="ascii")
                    (directory / file).write_text(value, encoding="ascii")
        except OSError as error:
            raise PortolanError(
                str(directory),
                f"the control group cannot be made: {error.strerror}",
                "run as root on a machine whose /sys/fs/cgroup is writable",
            ) from error
        directories.append(directory)
    return directories


def find() -> dict[tuple[str, str], list[Path]]:
    """Return the control groups of every sandbox host on the machine, by site and host, wherever they lie."""
    found: dict[tuple[str, str], list[Path]] = {}
    for hierarchy in hierarchies():
        for directory, below, _ in os.walk(hierarchy.mount_point):
            for name in list(below):
                key = names.parse_cgroup(name)
                if key:
                    found.setdefault(key, []).append(Path(directory, name))
                    below.remove(name)  # what lies inside belongs to it
    return found


def processes(directories: Iterable[Path]) -> set[int]:
    """Return the ids of all processes in these groups and the groups below them."""
    found: set[int] = set()
    for top in directories:
        for directory, _, files in os.walk(top):
            if "cgroup.procs" in files:
                with contextlib.suppress(OSError):  # the group went away, or is a threaded one of version 2
                    found.update(map(int, Path(directory, "cgroup.procs").read_text(encoding="ascii").split()))
    return found - {0}


def remove(directories: Mapping[tuple[str, str], list[Path]], seconds: float = KILL_SECONDS) -> None:
    """Kill every process of these hosts and remove their groups.

    Raises PortolanError where a process or a group resists for `seconds`.
    """
    everything = [directory for group in directories.values() for directory in group]
    group_names = {names.cgroup(site, host) for site, host in directories}
    deadline = time.monotonic() + seconds
    while left := processes(everything):
        for directory in everything:
            for state in directory.rglob("freezer.state"):  # a frozen process does not die
                with contextlib.suppress(OSError):
                    state.write_text("THAWED", encoding="ascii")
        handles = [handle for process in left if (handle := _kill(process, group_names)) is not None]
        _wait_ended(handles, max(0.1, deadline - time.monotonic()))
        if time.monotonic() > deadline:
            raise PortolanError(
                "sandbox processes",
                f"{len(left)} did not end within {seconds:g} s: {sorted(left)[:8]}",
                "look at them with `ps`, then run `portolan sandbox down` again",
            )
        time.sleep(0.02)
    while standing := [directory for directory in everything if directory.exists()]:
        for top in standing:
            for below, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):  # still busy: a process is leaving it
                    Path(below).rmdir()
        if time.monotonic() > deadline and any(directory.exists() for directory in standing):
            raise PortolanError(
                str(standing[0]), "the control group cannot be removed", "run `portolan sandbox down` again"
            )
        time.sleep(0.01)


def _kill(process: int, group_names: set[str]) -> int | None:
    """Kill one process, having made sure through a handle that the id is still that of a host's process.

    Returns the handle, which turns readable when the process has ended; None where it has ended already.
    """
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return None
    try:
        membership = Path(f"/proc/{process}/cgroup").read_text(encoding="utf-8")
        if any(part in group_names for line in membership.splitlines() for part in line.split("/")):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return handle
    except (ProcessLookupError, FileNotFoundError):
        pass
    os.close(handle)
    return None


def _wait_ended(handles: Iterable[int], seconds: float) -> None:
    """Wait until processes have ended: a dying one has left its control group already and still holds its mounts."""
    deadline = time.monotonic() + seconds
    for handle in handles:
        select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
        os.close(handle)


def memory_bytes(directories: Iterable[Path]) -> int | None:
    """Return the memory that a host uses, as kubelet counts it: without file pages that can be dropped."""
    for directory in directories:
        for usage, inactive in (
            ("memory.usage_in_bytes", "total_inactive_file"),
            ("memory.current", "inactive_file"),
        ):
            if (directory / usage).is_file():
                statistics = dict(
                    line.split(" ", 1) for line in (directory / "memory.stat").read_text(encoding="ascii").splitlines()
                )
                used = int((directory / usage).read_text(encoding="ascii"))
                return max(0, used - int(statistics.get(inactive, 0)))
    return None


def cpu_seconds(directories: Iterable[Path]) -> float | None:
    """Return the processor time that a host has used since its start, in seconds."""
    for directory in directories:
        if (directory / "cpuacct.usage").is_file():
            return int((directory / "cpuacct.usage").read_text(encoding="ascii")) / 1e9
    for directory in directories:
        if (directory / "cpu.stat").is_file():
            for line in (directory / "cpu.stat").read_text(encoding="ascii").splitlines():
                if line.startswith("usage_usec "):
                    return int(line.split()[1]) / 1e6
    return None
