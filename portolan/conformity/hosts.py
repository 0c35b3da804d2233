"""Checks of hosts: one short script run over SSH, one pure function that reads its output.

Capacity (cores, memory, disk) is what a host has of its own: where several hosts of a site turn out to be one
machine (containers whose kernel started at the same second), each is credited with its share only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from portolan.conformity.check import Check, Reading, nothing

if TYPE_CHECKING:
    from portolan.conformity.world import World

# "CONTAINER KERNEL-START": systemd-nspawn hides the kernel's boot id, not the second when it started.
MACHINE = "echo $(systemd-detect-virt --container) $(awk '$1 == \"btime\" {print $2}' /proc/stat)"

CORES = "nproc --all"
MEMORY = "awk '$1 == \"MemTotal:\" {print $2}' /proc/meminfo"
DISK = "df -B1 --output=source,size -x tmpfs -x devtmpfs -x overlay -x squashfs"
ACCELERATORS = (
    "command -v nvidia-smi >/dev/null || exit 0; nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader"
)
# The interface that carries the host's address; its speed in Mbit/s; whether hardware stands behind it.
LINK = """
interface=$(ip -o -4 addr show | awk -v a="$1" '{split($4, p, "/"); if (p[1] == a) print $2}' | head -n 1)
[ -n "$interface" ] || exit 0
physical=no
[ -e "/sys/class/net/$interface/device" ] || [ -d "/sys/class/net/$interface/bonding" ] && physical=yes
echo "$interface $(cat "/sys/class/net/$interface/speed" 2>/dev/null || echo -1) $physical"
"""
FIREWALL = "nft -j list ruleset 2>/dev/null; echo; iptables -S INPUT 2>/dev/null || true"
TIME = "systemd-detect-virt --container; timedatectl show --property=NTPSynchronized --value"
SWAP = "tail -n +2 /proc/swaps"
SSH = "mkdir -p /run/sshd && $(command -v sshd || echo /usr/sbin/sshd) -T"
SYSTEM = '. /etc/os-release && echo "$ID $VERSION_ID"'

# What `sshd -T` must say, the file's comments and defaults being irrelevant. Source: CIS Benchmark for Debian 12, 5.1.
HARDENED = {
    "permitrootlogin": "no",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitemptypasswords": "no",
}


def read_machine(output: str) -> str:
    """Return what names the machine below a container; empty where the host is no container.

    >>> read_machine("systemd-nspawn 1700000000"), read_machine("none 1700000000")
    ('systemd-nspawn 1700000000', '')
    """
    text = output.strip()
    return "" if text.startswith("none") or len(text.split()) != 2 else text


def read_number(output: str) -> Reading:
    """Return the one number that a command printed."""
    text = output.strip()
    return Reading(float(text)) if text.isdigit() else nothing(f"no number in {text[:60]!r}")


def read_memory(output: str) -> Reading:
    """Return bytes from the kernel's KiB."""
    reading = read_number(output)
    return reading if reading.value is None else Reading(float(reading.value) * 1024)


def read_disk(output: str) -> Reading:
    """Return the size of all file systems that lie on a device, each device counted once."""
    sizes: dict[str, float] = {}
    for line in output.splitlines()[1:]:
        source, _, size = line.strip().rpartition(" ")
        if source.strip().startswith("/dev/") and size.isdigit():
            sizes[source.strip()] = float(size)
    if not sizes:
        return nothing("no file system on a block device")
    return Reading(sum(sizes.values()), detail=", ".join(sorted(sizes)))


def read_accelerators(output: str) -> Reading:
    """Return how many accelerators the driver shows."""
    names = [line.split(",")[0].strip() for line in output.splitlines() if line.strip()]
    return Reading(float(len(names)), detail=", ".join(sorted(set(names))) or "no NVIDIA driver, so no usable device")


def read_compute_capability(output: str) -> Reading:
    """Return the lowest compute capability of the accelerators."""
    found = [line.rpartition(",")[2].strip() for line in output.splitlines() if line.strip()]
    numbers = [float(text) for text in found if text.replace(".", "", 1).isdigit()]
    return Reading(min(numbers), detail=", ".join(found)) if numbers else nothing("the host has no accelerator")


def read_link(output: str) -> Reading:
    """Return the link speed in bits per second; a virtual interface's figure measures nothing."""
    parts = output.split()
    if len(parts) != 3:
        return nothing("no interface carries the host's address")
    interface, megabits, physical = parts
    if physical != "yes":
        return nothing(
            f"interface {interface} is virtual: the speed that it claims ({megabits} Mbit/s) is not a link's"
        )
    if not megabits.isdigit() or int(megabits) == 0:
        return nothing(f"interface {interface} does not tell its speed")
    return Reading(float(megabits) * 1e6, detail=interface)


def read_firewall(output: str) -> Reading:
    """Return whether what no rule allows in is dropped, by nftables or by iptables."""
    ruleset, _, rules = output.partition("\n\n") if output.startswith("{") else ("", "", output)
    document, _, rest = ruleset.partition("\n")
    chains = [entry["chain"] for entry in json.loads(document or "{}").get("nftables", []) if "chain" in entry]
    for chain in chains:
        if chain.get("hook") == "input" and chain.get("policy") == "drop":
            return Reading(True, detail=f"nftables: {chain['table']}/{chain['name']} drops by default")
    lines = [line for line in (rest + "\n" + rules).splitlines() if line.startswith("-")]
    if any(line in ("-P INPUT DROP", "-P INPUT REJECT") for line in lines):
        return Reading(True, detail="iptables: INPUT drops by default")
    appended = [line for line in lines if line.startswith("-A INPUT")]
    if appended and appended[-1].split(" --")[0] in ("-A INPUT -j DROP", "-A INPUT -j REJECT"):
        return Reading(True, detail="iptables: INPUT ends in a drop")
    return Reading(False, detail="no input chain drops by default: every port of the host is open to its network")


def read_time(output: str) -> Reading:
    """Return whether the kernel's clock is disciplined; a container's clock is its machine's."""
    lines = output.split()
    if len(lines) != 2:
        return nothing("systemd does not answer")
    container, synchronised = lines
    if synchronised == "yes":
        return Reading(True, detail="the kernel's clock is disciplined")
    if container != "none":
        return nothing(f"the clock belongs to the machine below this {container} host, which alone can discipline it")
    return Reading(False, detail="the kernel's clock runs free")


def read_swap(output: str) -> Reading:
    """Return whether no swap is in use."""
    devices = [line.split()[0] for line in output.splitlines() if line.strip()]
    return Reading(not devices, detail=f"swap on {', '.join(devices)}" if devices else "no swap")


def read_ssh(output: str) -> Reading:
    """Return whether the effective configuration of sshd lets in neither root nor a password."""
    settings = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
    if "permitrootlogin" not in settings:
        return nothing("sshd -T printed no configuration")
    loose = [f"{key} {settings.get(key, '?')}" for key, wanted in HARDENED.items() if settings.get(key) != wanted]
    return Reading(not loose, detail=", ".join(loose) if loose else "neither root nor passwords are let in")


def read_system(output: str) -> Reading:
    """Return the distribution and its version, such as "debian 12"."""
    text = output.strip().lower()
    return Reading(text) if text else nothing("/etc/os-release names no system")


def _measure(script: str, read: Callable[[str], Reading]) -> Callable[[World, str, str], Reading]:
    def measure(world: World, subject: str, statistic: str) -> Reading:
        host = world.host(subject)
        answer = host.shell(script, host.address.address)
        if answer.status not in (0, 1) and not answer.output.strip():
            return nothing(f"exit status {answer.status}: {answer.errors.strip()[:200]}")
        return replace(read(answer.output), raw=answer.output)

    return measure


def _share(script: str, read: Callable[[str], Reading]) -> Callable[[World, str, str], Reading]:
    whole = _measure(script, read)

    def measure(world: World, subject: str, statistic: str) -> Reading:
        return shared(whole(world, subject, statistic), world.hosts_on_machine_of(subject))

    return measure


def shared(reading: Reading, hosts_on_machine: int) -> Reading:
    """Return a host's share of what the whole machine has."""
    if hosts_on_machine <= 1 or not isinstance(reading.value, float):
        return reading
    note = f"a share of one machine that carries {hosts_on_machine} hosts"
    detail = f"{note}; {reading.detail}" if reading.detail else note
    return replace(reading, value=reading.value / hosts_on_machine, detail=detail)


_REAL_ACCELERATORS = _measure(ACCELERATORS, read_accelerators)
_REAL_COMPUTE_CAPABILITY = _measure(ACCELERATORS, read_compute_capability)


def _accelerators(world: World, subject: str, statistic: str) -> Reading:
    simulated = world.simulated_accelerators(subject)
    if simulated:
        names = ", ".join(f"{count} x {name}" for name, count in simulated.items())
        return Reading(float(sum(simulated.values())), detail=f"simulated: {names}", simulated=True)
    return _REAL_ACCELERATORS(world, subject, statistic)


def _compute_capability(world: World, subject: str, statistic: str) -> Reading:
    if world.simulated_accelerators(subject):
        return nothing("the host's accelerators are simulated: they have no compute capability")
    return _REAL_COMPUTE_CAPABILITY(world, subject, statistic)


CHECKS = (
    Check("host.cpu-cores", "logical CPUs of the host's own", "cores", CORES, _share(CORES, read_number)),
    Check("host.memory-bytes", "memory of the host's own", "bytes", MEMORY, _share(MEMORY, read_memory)),
    Check("host.disk-bytes", "file systems on block devices, each device once", "bytes", DISK, _share(DISK, read_disk)),
    Check(
        "host.accelerators",
        "accelerators that their driver shows",
        "GPU",
        "nvidia-smi --query-gpu=name",
        _accelerators,
    ),
    Check(
        "host.accelerator-compute-capability",
        "lowest compute capability of the host's accelerators",
        "compute capability",
        "nvidia-smi --query-gpu=compute_cap",
        _compute_capability,
    ),
    Check(
        "host.link-speed",
        "speed of the physical link that carries the host's address",
        "bits/s",
        "/sys/class/net/INTERFACE/speed",
        _measure(LINK, read_link),
    ),
    Check(
        "host.firewall",
        "what no rule allows in is dropped",
        "yes/no",
        "nft -j list ruleset; iptables -S INPUT",
        _measure(FIREWALL, read_firewall),
    ),
    Check(
        "host.time-synchronised", "the clock is disciplined", "yes/no", "timedatectl show", _measure(TIME, read_time)
    ),
    Check("host.swap-off", "no swap is in use", "yes/no", "/proc/swaps", _measure(SWAP, read_swap)),
    Check(
        "host.ssh-hardened",
        "sshd lets in neither root nor a password",
        "yes/no",
        "sshd -T",
        _measure(SSH, read_ssh),
    ),
    Check(
        "host.operating-system",
        'distribution and version, such as "debian 12"',
        "system",
        "/etc/os-release",
        _measure(SYSTEM, read_system),
    ),
)
