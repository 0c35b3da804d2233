"""The network between hosts: iperf3 between all pairs in both directions, and ping's loss and round trips.

The server serves one test and ends; it ends by itself too where no test comes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.probe import GRACE_SECONDS, MISSING, Probe, ToolRun, UnreadableOutputError, document

if TYPE_CHECKING:
    from portolan.conformity.world import World

PORT = 5201
SECONDS = by_depth(3, burn_in=30)
PINGS, PING_INTERVAL_SECONDS = 20, 0.2
# A host with Portolan's packet filter lets in what its groups need, and no measurement: for the time of one test, and
# from the one host that takes part in it ($4), the port $3 is open. Sets `rule`, by which it is closed again.
OPEN = r"""
rule=
export rule
if nft list chain inet portolan input >/dev/null 2>&1; then
  rule=$(nft --echo --handle insert rule inet portolan input ip saddr "$4" tcp dport "$3" accept |
    sed -n 's/.*# handle \([0-9][0-9]*\).*/\1/p' | tail -n 1)
fi
"""
CLOSE = '[ -z "$rule" ] || nft delete rule inet portolan input handle "$rule"'
# Serves one test in the background and tells when it listens; ends after $2 seconds whatever happens.
SERVE = f"""
command -v iperf3 >/dev/null 2>&1 || exit 127
{OPEN}
setsid sh -c 'timeout -k 5 "$2" iperf3 --server --one-off --bind "$1" --port "$3"; {CLOSE}' sh "$@" \\
  >/dev/null 2>&1 </dev/null &
for step in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.1
  ss -H -tln "sport = :$3" | grep -q . && exit 0
done
echo "iperf3 does not listen on $1:$3" >&2; exit 1
"""


def read_throughput(output: str) -> Mapping[str, Reading]:
    """Return the bits a second that the receiver of an iperf3 test saw."""
    found = document(output, "start", "end")
    if found.get("error"):
        raise UnreadableOutputError(str(found["error"]))
    received, sent = found["end"]["sum_received"], found["end"]["sum_sent"]
    if not received["bytes"]:
        raise UnreadableOutputError("nothing was received")
    return {
        "throughput": Reading(
            float(received["bits_per_second"]),
            detail=f"{received['bytes']} bytes in {received['seconds']:.1f} s, {sent.get('retransmits', 0)} sent again",
        )
    }


def read_pings(output: str) -> Mapping[str, Reading]:
    """Return ping's loss, as a part of one, and its round trips in seconds."""
    counts = re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", output)
    if counts is None or not int(counts.group(1)):
        raise UnreadableOutputError(f"no packets in {output.strip()[-60:]!r}")
    sent, received = int(counts.group(1)), int(counts.group(2))
    readings = {"loss": Reading((sent - received) / sent, detail=f"{received} of {sent} came back")}
    trips = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/[\d.]+ ms", output)
    if trips is not None:
        mean, longest = float(trips.group(2)) / 1000, float(trips.group(3)) / 1000
        readings["trip"] = Reading(mean, detail=f"longest {longest:.6f} s over {received} packets")
    elif received == 0:
        readings["trip"] = nothing("no packet came back")
    return readings


THROUGHPUT = Probe("throughput", "iperf3", lambda depth, seconds: (), read_throughput, seconds=SECONDS, alone=True)
PING = Probe(
    "ping", "ping", lambda depth, seconds: (), read_pings, version=("ping", "-V"), alone=True,
    good_statuses=frozenset({0, 1}), package="iputils-ping", seconds=by_depth(PINGS * PING_INTERVAL_SECONDS + 1),
)  # fmt: skip


def throughput(world: World, sender: str, receiver: str) -> Reading:
    """Return the throughput from one host to another."""
    key = f"throughput/{sender}/{receiver}"
    run = world.remember(key, lambda: _throughput_run(world, sender, receiver))
    return THROUGHPUT.reading(run, "throughput")


def _throughput_run(world: World, sender: str, receiver: str) -> ToolRun:
    seconds = SECONDS[world.depth]
    server, address = world.host(receiver), world.host(receiver).address.address
    argv = ("iperf3", "--client", address, "--port", str(PORT), "--time", f"{seconds:.0f}", "--json")
    begin = time.monotonic()
    client = world.host(sender).address.address
    listens = server.shell(SERVE, address, f"{seconds + GRACE_SECONDS:.0f}", str(PORT), client)
    if listens.status != 0:
        reason = f"{receiver}: {listens.errors.strip() or 'iperf3 is not installed'}"
        return no_run("iperf3", argv, MISSING if listens.status == MISSING else listens.status, reason)
    return THROUGHPUT.run_argv(world, sender, argv, seconds, begin)


def no_run(tool: str, argv: tuple[str, ...], status: int, reason: str) -> ToolRun:
    """Return the run of a tool that never began, with the reason."""
    return ToolRun(tool=tool, version="unknown", argv=argv, status=status, output="", errors=reason, seconds=0.0)


def pings(world: World, sender: str, receiver: str, key: str) -> Reading:
    """Return loss or round trip of packets from one host to another."""
    argv = ("ping", "-n", "-q", "-c", str(PINGS), "-i", str(PING_INTERVAL_SECONDS), "-W", "1",
            world.host(receiver).address.address)  # fmt: skip
    run = world.remember(
        f"ping/{sender}/{receiver}",
        lambda: PING.run_argv(world, sender, argv, PING.seconds[world.depth], time.monotonic()),
    )
    return PING.reading(run, key)


def worst(readings: Mapping[str, Reading], smallest: bool) -> Reading:
    """Return the reading of the worst pair; one pair that could not be measured is told, for it may be the worst.

    >>> worst({"a to b": Reading(2.0), "b to a": Reading(1.0)}, smallest=True).detail
    'b to a: the worst of 2'
    """
    if not readings:
        return nothing("a host alone has no pair")
    for pair, reading in readings.items():
        if reading.value is None:
            return nothing(f"{pair}: {reading.reason_not_measured}")
    choose = min if smallest else max
    pair = choose(readings, key=lambda name: float(readings[name].value or 0.0))
    chosen = readings[pair]
    note = f"{pair}: {'the worst of ' + str(len(readings)) if len(readings) > 1 else 'the only pair'}"
    return Reading(
        chosen.value, detail=f"{note}; {chosen.detail}" if chosen.detail else note, raw=chosen.raw, tools=chosen.tools
    )


def _pairs(world: World, subject: str) -> Iterable[tuple[str, str]]:
    for other in world.hosts:
        if other != subject:
            yield subject, other
            yield other, subject


def pair_throughput(world: World, subject: str, statistic: str) -> Reading:
    """Return the least throughput of all pairs that a host takes part in, both directions."""
    return worst({f"{a} to {b}": throughput(world, a, b) for a, b in _pairs(world, subject)}, smallest=True)


def pair_trip(world: World, subject: str, statistic: str) -> Reading:
    """Return the longest mean round trip between a host and the others."""
    found = {f"{a} to {b}": pings(world, a, b, "trip") for a, b in _pairs(world, subject) if a == subject}
    return worst(found, smallest=False)


def pair_loss(world: World, subject: str, statistic: str) -> Reading:
    """Return the greatest loss between a host and the others."""
    found = {f"{a} to {b}": pings(world, a, b, "loss") for a, b in _pairs(world, subject) if a == subject}
    return worst(found, smallest=False)


_IPERF = Needs(hosts=2, tools=("iperf3",), alone=True, seconds=SECONDS, shares="throughput")
_PING = Needs(hosts=2, tools=("ping",), alone=True, seconds=PING.seconds, shares="ping")

CHECKS = (
    Check(
        "host.pair-throughput",
        "TCP throughput of the worst pair that the host takes part in, both directions, one pair at a time",
        "bits/s",
        "iperf3 --client PEER --json",
        pair_throughput,
        depth=Depth.STANDARD,
        ground="measured",
        needs=_IPERF,
        reread=lambda raw, statistic: THROUGHPUT.reread(raw, "throughput"),
    ),
    Check(
        "host.pair-round-trip-seconds",
        "longest mean round trip to another host",
        "seconds",
        f"ping -c {PINGS}",
        pair_trip,
        depth=Depth.STANDARD,
        ground="measured",
        needs=_PING,
        reread=lambda raw, statistic: PING.reread(raw, "trip"),
    ),
    Check(
        "host.pair-loss",
        "greatest part of packets lost to another host",
        "ratio",
        f"ping -c {PINGS}",
        pair_loss,
        depth=Depth.STANDARD,
        ground="measured",
        needs=_PING,
        reread=lambda raw, statistic: PING.reread(raw, "loss"),
    ),
)
