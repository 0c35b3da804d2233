"""Can hosts be made on this machine? Each refusal names the remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sandbox.facts import meminfo_bytes

# Command and the Debian package that brings it.
COMMANDS = {
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "iptables": "iptables",
    "iptables-restore": "iptables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "mount": "mount",
    "tar": "tar",
}
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
UPPER_FILE_SYSTEMS = ("ext2/ext3", "ext4", "xfs", "btrfs")  # as `stat --file-system` names them
# A bare host with its kubelet uses 0.4 GiB; the whole platform on three hosts 3.5 GiB. Disk: images of a worker.
MEMORY_BYTES_PER_HOST = 1 << 30
DISK_BYTES_PER_HOST = 3 * 10**9
_PROBE = "ip link add ptl-probe type bridge && ip link add ptl-one type veth peer name ptl-two && " + (
    "iptables -w -A FORWARD -i ptl-probe -j REJECT --reject-with icmp-admin-prohibited"
)


class MachineFeatures(Model):
    """What the decision needs to know of this machine."""

    user_is_root: bool
    commands_missing: tuple[str, ...]
    namespaces_missing: tuple[str, ...]
    overlay: bool
    cgroups: bool
    network_refusal: str  # the kernel's words where it makes no bridge, veth or packet filter rule
    state_file_system: str
    state_free_bytes: int
    memory_available_bytes: int


def refusals(features: MachineFeatures, missing_hosts: int) -> tuple[tuple[str, str], ...]:
    """Return each reason why `missing_hosts` hosts cannot be made here, with its remedy. Pure."""
    if not features.user_is_root:
        return (("hosts on this machine can only be made by root", "run the same command as root (sudo -E)"),)
    found: list[tuple[str, str]] = []
    if features.commands_missing:
        packages = sorted({COMMANDS[command] for command in features.commands_missing})
        found.append(
            (f"not installed: {', '.join(features.commands_missing)}", f"apt-get install {' '.join(packages)}")
        )
    if features.namespaces_missing:
        found.append(
            (
                f"the kernel has no namespaces of kind {', '.join(features.namespaces_missing)}",
                "use a kernel with CONFIG_NAMESPACES, such as Debian's",
            )
        )
    if not features.overlay:
        found.append(("the kernel has no overlay file system", "modprobe overlay, or use a kernel that has it"))
    if not features.cgroups:
        found.append(("no cgroup hierarchy is mounted", "mount /sys/fs/cgroup, or run outside this container"))
    if features.network_refusal:
        found.append(
            (
                f"bridge, veth or iptables do not work: {features.network_refusal}",
                "modprobe bridge veth br_netfilter, or use a kernel that has them, such as Debian's",
            )
        )
    if missing_hosts == 0:
        return tuple(found)
    disk = missing_hosts * DISK_BYTES_PER_HOST
    if features.state_free_bytes < disk:
        found.append(
            (
                f"{features.state_free_bytes / 1e9:.1f} GB are free on the disk of the state, {missing_hosts} hosts "
                f"need {disk / 1e9:.0f} GB",
                "free some disk space, or point PORTOLAN_STATE to a larger disk",
            )
        )
    if features.state_file_system not in UPPER_FILE_SYSTEMS:
        found.append(
            (
                f"the state lies on {features.state_file_system}, which carries no overlay's upper layer",
                "point PORTOLAN_STATE to a directory on ext4, XFS or btrfs",
            )
        )
    memory = missing_hosts * MEMORY_BYTES_PER_HOST
    if features.memory_available_bytes < memory:
        found.append(
            (
                f"{features.memory_available_bytes / 2**30:.1f} GiB of memory are available, {missing_hosts} hosts "
                f"need {memory / 2**30:.0f} GiB",
                "stop other programs, or give the site fewer hosts",
            )
        )
    return tuple(found)


def measure() -> MachineFeatures:
    """Read what this machine has. Changes nothing: the network is tried in a namespace that is thrown away."""
    user_is_root = os.geteuid() == 0
    state = paths.state()
    while not state.exists():
        state = state.parent
    missing = tuple(command for command in COMMANDS if shutil.which(command) is None)
    return MachineFeatures(
        user_is_root=user_is_root,
        commands_missing=missing,
        namespaces_missing=tuple(kind for kind in NAMESPACES if not Path("/proc/self/ns", kind).exists()),
        overlay="\toverlay\n" in Path("/proc/filesystems").read_text(encoding="ascii"),
        cgroups=" - cgroup" in Path("/proc/self/mountinfo").read_text(encoding="utf-8"),
        network_refusal=_words(["unshare", "--net", "sh", "-c", _PROBE]) if user_is_root and not missing else "",
        state_file_system=subprocess.run(
            ["stat", "--file-system", "--format=%T", str(state)], capture_output=True, text=True, check=True
        ).stdout.strip(),
        state_free_bytes=shutil.disk_usage(state).free,
        memory_available_bytes=meminfo_bytes("MemAvailable"),
    )


def _words(command: Sequence[str]) -> str:
    """Return what a command complained of; empty where it succeeded."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]


def check(site: str, missing_hosts: int) -> None:
    """Refuse where this machine cannot carry `missing_hosts` more hosts.

    Raises PortolanError with all reasons at once.
    """
    found = refusals(measure(), missing_hosts)
    if found:
        raise PortolanError(
            f"sandbox {site}", "; ".join(what for what, _ in found), "; ".join(remedy for _, remedy in found)
        )
