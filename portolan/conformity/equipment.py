"""What the board, its sensors and its network card tell: room to grow, temperatures and power, what a link could do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from portolan.conformity.check import Reading, nothing
from portolan.conformity.probe import Probe, UnreadableOutputError, document

# What dmidecode prints as prefixes of memory sizes are powers of two.
SIZES = {"MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
WIDE_SLOT = re.compile(r"\bx16\b", re.IGNORECASE)
SILENT_BOARD = "the firmware tells nothing of its board (a virtual machine's does not)"
# "10000baseT/Full" among a card's supported modes: megabits a second, by ethtool.
LINK_MODE = re.compile(r"\b(\d+)base\S*/(?:Full|Half)")
NO_CONTROLLER = "the host has no management controller that answers (IPMI)"


def blocks_of(output: str, title: str) -> list[dict[str, str]]:
    """Return the fields of each block of dmidecode's output under a title.

    Raises UnreadableOutputError where it is no output of dmidecode.
    """
    if "dmidecode" not in output:
        raise UnreadableOutputError("not dmidecode's output")
    found = []
    for block in re.split(r"\n\s*\n", output):
        if re.search(rf"^{title}$", block, re.MULTILINE):
            pairs = (line.partition(":") for line in block.splitlines())
            found.append({name.strip(): value.strip() for name, _, value in pairs if value})
    return found


def read_board(output: str) -> Mapping[str, Reading]:
    """Return how much memory the board takes, its channels in use, and its slots of sixteen lanes."""
    arrays = blocks_of(output, "Physical Memory Array")
    capacities = [re.fullmatch(r"(\d+) ([MGT]B)", entry.get("Maximum Capacity", "")) for entry in arrays]
    known = [int(found.group(1)) * SIZES[found.group(2)] for found in capacities if found]
    modules = blocks_of(output, "Memory Device")
    filled = [entry for entry in modules if re.match(r"\d+ [GMT]B", entry.get("Size", ""))]
    channels = {place for entry in filled if (place := _channel(entry))}
    slots = blocks_of(output, "System Slot Information")
    wide = [entry for entry in slots if WIDE_SLOT.search(entry.get("Type", ""))]
    virtual = {entry.get("Type", "Unknown") for entry in filled} <= {"Unknown", "RAM", "Other"}
    return {
        "capacity": nothing(SILENT_BOARD)
        if virtual or not known or len(known) < len(arrays)
        else Reading(float(sum(known)), detail=f"{len(arrays)} arrays, {len(filled)} of {len(modules)} slots filled"),
        "channels": nothing(SILENT_BOARD)
        if virtual or not channels
        else Reading(float(len(channels)), detail=f"{len(filled)} modules on {', '.join(sorted(channels))}"),
        "slots": nothing(SILENT_BOARD)
        if not slots
        else Reading(float(len(wide)), detail=f"{len(wide)} of {len(slots)} slots have sixteen lanes"),
    }


def _channel(module: Mapping[str, str]) -> str:
    """Return the channel that a module sits on: makers name it in the bank's locator, some in the module's own."""
    for key in ("Bank Locator", "Locator"):
        text = module.get(key, "")
        if re.search(r"channel", text, re.IGNORECASE):
            return text
    return module.get("Bank Locator", "")


def read_sensors(output: str) -> Mapping[str, Reading]:
    """Return how many sensors are out of their range, by `ipmitool sdr list`: "NAME | VALUE | STATUS"."""
    rows = [[cell.strip() for cell in line.split("|")] for line in output.splitlines() if line.strip()]
    if not rows or any(len(row) != 3 for row in rows):
        raise UnreadableOutputError(f"no list of sensors in {output.strip()[:60]!r}")
    looked_at = [row for row in rows if row[2] != "ns"]  # "ns": nothing sits in that place
    if not looked_at:
        return {"out-of-range": nothing("no sensor gives a reading"), "hottest": nothing("no sensor gives a reading")}
    bad = [f"{name} {value} ({status})" for name, value, status in looked_at if status != "ok"]
    heats = [
        (float(found.group(1)), name)
        for name, value, _ in looked_at
        if (found := re.fullmatch(r"(-?[\d.]+) degrees C", value))
    ]
    return {
        "out-of-range": Reading(float(len(bad)), detail=", ".join(bad[:3]) or f"{len(looked_at)} sensors are in range"),
        "hottest": Reading(max(heats)[0], detail=max(heats)[1]) if heats else nothing("no sensor of temperature"),
    }


def read_power(output: str) -> Mapping[str, Reading]:
    """Return the power at the plug by `ipmitool dcmi power reading`."""
    found = re.search(r"Instantaneous power reading:\s*(\d+) Watts", output)
    if found is None:
        raise UnreadableOutputError(f"no power in {output.strip()[:60]!r}")
    average = re.search(r"Average power reading over sample period:\s*(\d+) Watts", output)
    return {"power": Reading(float(found.group(1)), detail=f"average {average.group(1)} W" if average else "")}


# Prints "throttle EVENTS CORES" of the kernel's counters since boot.
THROTTLE = """
cat /sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count 2>/dev/null |
  awk '{n += $1} END {print "throttle", n + 0, NR}'
"""


def read_throttle(output: str) -> Mapping[str, Reading]:
    """Return how often heat slowed a core down since boot."""
    found = re.fullmatch(r"throttle (\d+) (\d+)", output.strip())
    if found is None:
        raise UnreadableOutputError(f"no counters in {output.strip()[:60]!r}")
    if found.group(2) == "0":
        return {"throttle": nothing("the kernel keeps no counters of thermal throttling here")}
    return {"throttle": Reading(float(found.group(1)), detail=f"{found.group(2)} logical CPUs")}


# $0 is sh; the interface that carries the address $1, then what ethtool says of it.
CARD = """
interface=$(ip -o -4 addr show | awk -v a="$1" '{split($4, p, "/"); if (p[1] == a) print $2}' | head -n 1)
[ -n "$interface" ] || { echo "no interface carries $1" >&2; exit 3; }
[ -e "/sys/class/net/$interface/device" ] && echo physical || echo virtual
ethtool "$interface"
"""


def read_card(output: str) -> Mapping[str, Reading]:
    """Return the fastest mode that the network card supports."""
    kind, _, told = output.partition("\n")
    if kind not in ("physical", "virtual") or "Settings for" not in told:
        raise UnreadableOutputError(f"no settings in {output.strip()[:60]!r}")
    if kind == "virtual":
        return {"fastest": nothing("the interface is virtual: what it supports is not a card's")}
    supported = told.partition("Supported link modes:")[2].partition("Supported pause")[0]
    speeds = [int(text) for text in LINK_MODE.findall(supported)]
    if not speeds:
        return {"fastest": nothing("the card tells no mode that it supports")}
    return {"fastest": Reading(max(speeds) * 1e6, detail=f"modes of {', '.join(map(str, sorted(set(speeds))))} Mbit/s")}


def read_blocks(output: str) -> Mapping[str, Reading]:
    """Return the size of all disks of the host, partitioned or not, by `lsblk --json --bytes`."""
    disks = [
        device
        for device in document(output, "blockdevices")["blockdevices"]
        if device["type"] == "disk" and int(device["size"] or 0) > 0 and not device["name"].startswith(("zram", "ram"))
    ]
    if not disks:
        return {"bytes": nothing("the host shows no disk of its own")}
    names = ", ".join(f"{disk['name']} {disk['size']}" for disk in disks)
    return {"bytes": Reading(float(sum(int(disk["size"]) for disk in disks)), detail=names)}


BOARD = Probe(
    "board", "dmidecode", lambda depth, seconds: ("dmidecode", "--type", "memory", "--type", "slot"), read_board,
    good_statuses=frozenset({0, 1}),
)  # fmt: skip
SENSORS = Probe("sensors", "ipmitool", lambda depth, seconds: ("ipmitool", "sdr", "list"), read_sensors,
                version=("ipmitool", "-V"), no_device=NO_CONTROLLER)  # fmt: skip
POWER = Probe("power", "ipmitool", lambda depth, seconds: ("ipmitool", "dcmi", "power", "reading"), read_power,
              version=("ipmitool", "-V"), no_device=NO_CONTROLLER)  # fmt: skip
HEAT = Probe("heat", "awk", lambda depth, seconds: ("sh", "-c", THROTTLE), read_throttle, version=("uname", "-r"))
CARD_MODES = Probe("card", "ethtool", lambda depth, seconds: ("sh", "-c", CARD, "sh", "ADDRESS"), read_card)
BLOCKS = Probe(
    "blocks", "lsblk",
    lambda depth, seconds: ("lsblk", "--json", "--bytes", "--nodeps", "--output", "NAME,TYPE,SIZE"), read_blocks,
    package="util-linux",
)  # fmt: skip

CHECKS = (
    BOARD.check("host.memory-capacity-bytes", "memory that the board takes when all its slots are filled", "bytes",
                "capacity", "inspected"),
    BOARD.check("host.memory-channels", "memory channels that hold a module", "channels", "channels", "inspected"),
    BOARD.check("host.wide-slots", "PCIe slots of sixteen lanes, filled or not", "slots", "slots", "inspected"),
    SENSORS.check("host.sensors-out-of-range", "sensors of the management controller that are out of their range",
                  "sensors", "out-of-range", device="a management controller"),
    SENSORS.check("host.temperature", "hottest sensor of the management controller", "degrees Celsius", "hottest",
                  device="a management controller"),
    POWER.check("host.power-watts", "power that the host draws at its plugs", "W", "power",
                device="a management controller"),
    HEAT.check("host.processor-throttled", "times that heat slowed a core down since boot", "events", "throttle",
               "inspected"),
    CARD_MODES.check("host.link-capability", "fastest mode that the card behind the host's address supports", "bits/s",
                     "fastest", "inspected"),
    BLOCKS.check("host.block-bytes", "disks of the host, with or without a file system", "bytes", "bytes", "inspected"),
)  # fmt: skip
