"""What the network carries beyond TCP: the largest frame between hosts, and InfiniBand by perftest where it is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.links import CLOSE, OPEN, no_run, worst
from portolan.conformity.probe import GRACE_SECONDS, MISSING, Probe, ToolRun, UnreadableOutputError

if TYPE_CHECKING:
    from portolan.conformity.world import World

DEVICE = "InfiniBand"
NO_DEVICE = "no InfiniBand device on this host"
PORT = 18515
# Headers of IPv4 and ICMP: what a frame holds beside ping's own bytes. Source: RFC 791 and RFC 792.
HEADER_BYTES = 28
FRAMES = (9000, 4096, 1500, 1420, 1280)
# Tries frames from the largest on, not to be cut on their way; prints the first that came back.
FRAME = """
for size in SIZES; do
  if ping -n -q -c 2 -i 0.2 -W 1 -M do -s "$((size - HEADER))" "$1" >/dev/null 2>&1; then echo "frame $size"; exit 0; fi
done
echo "frame 0"
""".replace("SIZES", " ".join(map(str, FRAMES))).replace("HEADER", str(HEADER_BYTES))
# The ports of all adapters: "NAME/PORT STATE RATE" such as "mlx5_0/1 4: ACTIVE 100 Gb/sec (4X EDR)", then the end.
PORTS = """
for port in /sys/class/infiniband/*/ports/*; do
  [ -e "$port/link_layer" ] && [ "$(cat "$port/link_layer")" = InfiniBand ] || continue
  adapter=${port#/sys/class/infiniband/}
  echo "${adapter%%/*}/${port##*/} $(cat "$port/state") $(cat "$port/rate")"
done
echo ports-end
"""
# Serves one test of perftest in the background, only where there is a device; ends after $2 seconds whatever happens.
SERVE = (
    r"""
ls /sys/class/infiniband/* >/dev/null 2>&1 || { echo 'NO_DEVICE' >&2; exit 3; }
command -v "$1" >/dev/null 2>&1 || exit 127
OPEN
setsid sh -c 'timeout -k 5 "$2" "$1" --port "$3"; CLOSE' sh "$@" >/dev/null 2>&1 </dev/null &
for step in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.1
  ss -H -tln "sport = :$3" | grep -q . && exit 0
done
echo "$1 does not listen on $3" >&2; exit 1
""".replace("NO_DEVICE", NO_DEVICE)
    .replace("OPEN", OPEN)
    .replace("CLOSE", CLOSE)
)


def read_frame(output: str) -> Mapping[str, Reading]:
    """Return the largest frame that came back whole."""
    found = re.fullmatch(r"frame (\d+)", output.strip())
    if found is None:
        raise UnreadableOutputError(f"no frame in {output.strip()[:60]!r}")
    size = int(found.group(1))
    if not size:
        return {"frame": nothing(f"not even a frame of {FRAMES[-1]} bytes came back: ping is not answered")}
    return {
        "frame": Reading(float(size), detail="jumbo frames" if size >= FRAMES[0] else f"of {FRAMES[0]} tried first")
    }


def read_ports(output: str) -> Mapping[str, Reading]:
    """Return the rate of the slowest InfiniBand port that is up."""
    *lines, last = output.strip().splitlines() or [""]
    if last != "ports-end":
        raise UnreadableOutputError("the list of ports was not read to its end")
    if not lines:
        return {"rate": nothing(NO_DEVICE)}
    rates = []
    for line in lines:
        found = re.fullmatch(r"(\S+) (\d): (\w+) ([\d.]+) Gb/sec.*", line)
        if found is None:
            raise UnreadableOutputError(f"a port {line[:60]!r}")
        rates.append((float(found.group(4)) * 1e9 if found.group(3) == "ACTIVE" else 0.0, found.group(1)))
    down = [name for rate, name in rates if not rate]
    return {"rate": Reading(min(rates)[0], detail=f"down: {', '.join(down)}" if down else f"{len(rates)} ports are up")}


def _last_row(output: str, title: str) -> list[float]:
    """Return the numbers of the row below a title of perftest's table."""
    table = output.partition("#bytes")[2]
    if title not in table:
        raise UnreadableOutputError(f"no column {title}")
    rows = [line.split() for line in table.splitlines()[1:] if re.match(r"\s*\d+\s+\d+\s", line)]
    if not rows:
        raise UnreadableOutputError("no row of figures")
    return [float(text) for text in rows[-1]]


def read_write_rate(output: str) -> Mapping[str, Reading]:
    """Return the mean rate by `ib_write_bw --report_gbits`."""
    size, count, peak, mean, *_ = _last_row(output, "BW average[Gb/sec]")
    return {"rate": Reading(mean * 1e9, detail=f"{count:.0f} writes of {size:.0f} bytes, peak {peak:g} Gbit/s")}


def read_write_time(output: str) -> Mapping[str, Reading]:
    """Return the typical time of a write by `ib_write_lat`."""
    size, count, least, most, typical, *_ = _last_row(output, "t_typical[usec]")
    detail = f"{count:.0f} writes of {size:.0f} bytes, {least:g} to {most:g} us"
    return {"time": Reading(typical * 1e-6, detail=detail)}


FRAME_PROBE = Probe("frame", "ping", lambda depth, seconds: (), read_frame, version=("ping", "-V"),
                    package="iputils-ping", seconds=by_depth(8))  # fmt: skip
PORT_PROBE = Probe("infiniband-ports", "awk", lambda depth, seconds: ("sh", "-c", PORTS), read_ports,
                   version=("uname", "-r"))  # fmt: skip
WRITE_RATE = Probe("infiniband-rate", "ib_write_bw", lambda depth, seconds: (), read_write_rate, package="perftest",
                   seconds=by_depth(5, burn_in=60), alone=True, no_device=NO_DEVICE)  # fmt: skip
WRITE_TIME = Probe("infiniband-time", "ib_write_lat", lambda depth, seconds: (), read_write_time, package="perftest",
                   seconds=by_depth(5), alone=True, no_device=NO_DEVICE)  # fmt: skip


def _frame(world: World, sender: str, receiver: str) -> Reading:
    argv = ("sh", "-c", FRAME, "sh", world.host(receiver).address.address)
    seconds = FRAME_PROBE.seconds[world.depth]
    run = world.remember(
        f"frame/{sender}/{receiver}", lambda: FRAME_PROBE.run_argv(world, sender, argv, seconds, time.monotonic())
    )
    return FRAME_PROBE.reading(run, "frame")


def pair_frame(world: World, subject: str, statistic: str) -> Reading:
    """Return the largest frame that every other host sends back."""
    found = {f"{subject} to {other}": _frame(world, subject, other) for other in world.hosts if other != subject}
    return worst(found, smallest=True)


def _written(world: World, probe: Probe, sender: str, receiver: str) -> ToolRun:
    def make() -> ToolRun:
        seconds = probe.seconds[world.depth]
        address = world.host(receiver).address.address
        lasting = ("--duration", f"{seconds:.0f}", "--report_gbits") if probe is WRITE_RATE else ()
        argv = (probe.tool, "--port", str(PORT), *lasting, address)
        begin = time.monotonic()
        limit, client = f"{seconds + GRACE_SECONDS:.0f}", world.host(sender).address.address
        listens = world.host(receiver).shell(SERVE, probe.tool, limit, str(PORT), client)
        if listens.status != 0:
            status = MISSING if listens.status == MISSING else listens.status
            return no_run(probe.tool, argv, status, f"{receiver}: {listens.errors.strip() or 'is not installed'}")
        return probe.run_argv(world, sender, argv, seconds, begin)

    return world.remember(f"{probe.name}/{sender}/{receiver}", make)


def _over_infiniband(probe: Probe, key: str, smallest: bool) -> Callable[[World, str, str], Reading]:
    def measure(world: World, subject: str, statistic: str) -> Reading:
        others = [other for other in world.hosts if other != subject]
        found = {f"{subject} to {o}": probe.reading(_written(world, probe, subject, o), key) for o in others}
        return worst(found, smallest)

    return measure


def _needs(probe: Probe) -> Needs:
    return Needs(DEVICE, 2, (probe.tool,), alone=True, seconds=probe.seconds, shares=probe.name)


CHECKS = (
    Check(
        "host.pair-frame-bytes", "largest frame that goes uncut to every other host and back", "bytes",
        "ping -M do -s SIZE", pair_frame, depth=Depth.STANDARD, ground="measured",
        needs=Needs(hosts=2, tools=("ping",), seconds=FRAME_PROBE.seconds, shares="frame"),
        reread=lambda raw, statistic: FRAME_PROBE.reread(raw, "frame"),
    ),
    PORT_PROBE.check("host.infiniband-rate", "rate of the slowest InfiniBand port; a port that is down has none",
                     "bits/s", "rate", "inspected", device=DEVICE),
    Check(
        "host.pair-infiniband-rate", "rate of writes over InfiniBand to the worst of the other hosts", "bits/s",
        "ib_write_bw --report_gbits PEER", _over_infiniband(WRITE_RATE, "rate", smallest=True), depth=Depth.STANDARD,
        ground="measured", needs=_needs(WRITE_RATE), reread=lambda raw, statistic: WRITE_RATE.reread(raw, "rate"),
    ),
    Check(
        "host.pair-infiniband-seconds", "typical time of a small write over InfiniBand to the worst of the other hosts",
        "seconds", "ib_write_lat PEER", _over_infiniband(WRITE_TIME, "time", smallest=False), depth=Depth.STANDARD,
        ground="measured", needs=_needs(WRITE_TIME), reread=lambda raw, statistic: WRITE_TIME.reread(raw, "time"),
    ),
)  # fmt: skip
