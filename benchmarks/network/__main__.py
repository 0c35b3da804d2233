"""`python -m benchmarks.network SITE`: throughput, delay and recovery of the tunnel beside the bare line.

SITE is a sandbox with two locations that stands (`portolan sandbox up`, `portolan converge`). Bare line and tunnel take
turns, in the same run, between the same two gateways. Writes build/benchmarks/network.json.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.figures import Figure, figure, good, median, show, write
from benchmarks.network.readings import megabits_per_second, moments, round_trips_milliseconds
from portolan.conformity.links import OPEN
from portolan.conformity.reach import HostConnection, connections, host_addresses
from portolan.errors import PortolanError
from portolan.output import people
from portolan.sandbox import lifecycle, line
from portolan.sandbox.line import Shape
from portolan.sandbox.spec import Sandbox
from portolan.sites.loader import load_site

IPERF_SECONDS, PINGS, ROUNDS, PORT = 4, 40, 3, 5299
# WireGuard over IPv4 adds 60 bytes to 1,420: 4 % at least; user space and a busy machine take more.
MOST_TIMES_SLOWER, MOST_TIMES_LATER = 1.25, 1.25
RECOVERY_SECONDS = 15.0  # WireGuard tries a handshake every 5 s (protocol paper, REKEY_TIMEOUT), and a kept one at once
LINE = Shape(delay_milliseconds=10, bandwidth_megabits_per_second=100)
INSTALL = """\
command -v iperf3 >/dev/null && exit 0
export APT_CONFIG=/etc/portolan/apt.conf DEBIAN_FRONTEND=noninteractive
apt-get install --quiet --yes --no-install-recommends iperf3 >/dev/null
"""
ANSWERED = """\
answer() { until ping -n -c 1 -W 0.3 -q "$2" >/dev/null 2>&1; do sleep 0.02; done; echo "$1 $(date +%s.%N)"; }
answer bare "$1" & answer tunnel "$2" & wait
"""


def succeeded(host: HostConnection, script: str, *arguments: str) -> str:
    """Run a script on a host. Raises PortolanError where it fails."""
    done = host.shell(script, *arguments)
    if done.status != 0:
        raise PortolanError(host.name, (done.errors or done.output).strip()[-400:], "run it again")
    return done.output


@contextmanager
def served(pair: Pair, clients: list[str]) -> Iterator[None]:
    """Have iperf3 serve on the second gateway, its packet filter open to the clients on that port, until the end."""
    rules: list[str] = []
    try:
        for client in clients:
            rules += pair.at_the_other_end(f"{OPEN}\nprintf '%s' \"$rule\"", "", "", str(PORT), client).split()
        pair.at_the_other_end(f"iperf3 --server --daemon --port {PORT} --pidfile /run/portolan-iperf3")
        yield
    finally:
        pair.there.shell("kill $(tr -d '\\0' < /run/portolan-iperf3)")
        for rule in rules:
            pair.there.shell('nft delete rule inet portolan input handle "$1"', rule)


class Pair:
    """Two gateways, and the two ways from the first to the second: over the bare line, and through the tunnel."""

    def __init__(self, here: HostConnection, there: HostConnection, outer: str, inner: str) -> None:
        self.here, self.there = here, there
        self.ways = {"bare": outer, "tunnel": inner}

    def run(self, script: str, *arguments: str) -> str:
        """Run a script on the first gateway, which must succeed."""
        return succeeded(self.here, script, *arguments)

    def at_the_other_end(self, script: str, *arguments: str) -> str:
        """Run a script on the second gateway, which must succeed."""
        return succeeded(self.there, script, *arguments)

    def throughput(self, way: str) -> float:
        """Return what one TCP connection carries, in Mbit/s."""
        command = f"iperf3 --client {self.ways[way]} --port {PORT} --time {IPERF_SECONDS} --omit 1 --json"
        return megabits_per_second(self.here.shell(command).output, f"{self.here.name} to {self.there.name}, {way}")

    def delay(self, way: str) -> float:
        """Return the middle round trip, in milliseconds."""
        found = round_trips_milliseconds(self.run(f"ping -n -c {PINGS} -i 0.05 -W 2 {self.ways[way]}"))
        if len(found) < PINGS // 2:
            raise PortolanError(self.here.name, f"{len(found)} of {PINGS} pings were answered ({way})", "run it again")
        return median(found)


def in_turns(measure: Callable[[str], float], rounds: int) -> dict[str, float]:
    """Return the middle of each way's readings; the ways take turns, each first every other time."""
    found: dict[str, list[float]] = {"bare": [], "tunnel": []}
    for number in range(rounds):
        for way in ("bare", "tunnel") if number % 2 == 0 else ("tunnel", "bare"):
            found[way].append(measure(way))
    return {way: median(values) for way, values in found.items()}


def recovery(sandbox: Sandbox, pair: Pair, cut_seconds: float) -> dict[str, float]:
    """Cut the line, make it whole again, and return after how many seconds each way answered."""
    line.shape(sandbox, LINE.model_copy(update={"cut": True}))
    time.sleep(cut_seconds)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(pair.run(ANSWERED, *pair.ways.values())))
    asking.start()
    time.sleep(1)
    line.shape(sandbox, LINE)
    whole = time.time()
    asking.join(timeout=120)
    if not answers:
        raise PortolanError(pair.here.name, "the tunnel did not come back within 120 s", "portolan tunnel status SITE")
    return {way: max(0.0, moment - whole) for way, moment in moments(answers[0]).items()}


def measure(sandbox: Sandbox, pair: Pair, cut_seconds: float, command: str) -> list[Figure]:
    """Measure everything, and return the figures."""

    def slower(name: str, found: dict[str, float], target: str) -> Figure:
        # As a ratio to be kept small: how many times longer the same bytes take.
        return figure(
            name,
            found["bare"] / found["tunnel"],
            "times the bare line's time",
            f"{command} ({found['tunnel']:.1f} of {found['bare']:.1f} Mbit/s, iperf3 -t {IPERF_SECONDS} -O 1)",
            statistic=f"median of {ROUNDS}",
            target=target,
            limit=MOST_TIMES_SLOWER,
        )

    def share(name: str, found: dict[str, float]) -> Figure:
        return figure(
            name,
            found["tunnel"],
            "Mbit/s",
            f"{command} (iperf3 -t {IPERF_SECONDS} -O 1)",
            statistic=f"median of {ROUNDS}",
            peer="the bare line",
            peer_value=found["bare"],
        )

    figures: list[Figure] = []
    line.shape(sandbox, LINE)
    people.print(f"a line of {LINE.bandwidth_megabits_per_second:g} Mbit/s and {LINE.delay_milliseconds:g} ms each way")
    found = in_turns(pair.throughput, ROUNDS)
    figures += [share("throughput on a shaped line", found), slower("time on a shaped line", found, "HYB-9.5.4-01")]
    delays = in_turns(pair.delay, ROUNDS)
    figures.append(
        figure(
            "round trip on a shaped line",
            delays["tunnel"],
            "ms",
            f"{command} (ping -c {PINGS} -i 0.05)",
            statistic=f"median of {ROUNDS} medians",
            target="HYB-9.5.4-01",
            peer="the bare line",
            peer_value=delays["bare"],
            limit=MOST_TIMES_LATER,
        )
    )
    people.print(f"a cut of {cut_seconds:g} s")
    back = recovery(sandbox, pair, cut_seconds)
    figures.append(
        figure(
            "recovery after a cut",
            back["tunnel"],
            "s",
            f"{command} (cut of {cut_seconds:g} s, then ping -W 0.3 without pause)",
            target="HYB-9.5.4-01",
            limit=RECOVERY_SECONDS,
        )
    )
    figures.append(figure("recovery after a cut, bare line", back["bare"], "s", command))
    people.print("a line as fast as the machine")
    line.shape(sandbox, Shape())
    figures.append(share("throughput on an unshaped line", in_turns(pair.throughput, ROUNDS)))
    return figures


def main(
    site: Annotated[Path, typer.Argument(metavar="SITE", help="A sandbox with two locations that stands.")],
    cut_seconds: Annotated[
        float, typer.Option(min=1, max=600, help="How long the line is cut; keys expire after 180.")
    ] = 15.0,
) -> None:
    """Measure the tunnel of SITE beside its bare line; ends with 1 where a limit is not held."""
    sandbox = lifecycle.planned(load_site(site))
    ends = [one for one in sandbox.segments if one.tunnel_gateway]
    if len(ends) < 2:
        raise PortolanError(str(site), "its hosts are all in one place", "give a site with two locations")
    before = line.shape_of(sandbox.site)
    gateways = [str(one.tunnel_gateway) for one in ends[:2]]
    inner = next(str(host.address) for host in sandbox.hosts if host.name == gateways[1])
    wanted = tuple(one for one in host_addresses(site) if one.name in gateways)
    command = f"python -m benchmarks.network {site}"
    with connections(wanted) as opened:
        pair = Pair(opened[gateways[0]], opened[gateways[1]], str(ends[1].endpoint), inner)
        for gateway in (pair.here, pair.there):
            done = gateway.shell(INSTALL)
            if done.status != 0:
                raise PortolanError(gateway.name, done.errors.strip()[-300:], "converge the site first")
        here = next(str(host.address) for host in sandbox.hosts if host.name == gateways[0])
        try:
            with served(pair, [str(ends[0].endpoint), here]):
                figures = measure(sandbox, pair, cut_seconds, command)
        finally:
            line.shape(sandbox, before)
    show("network", figures, write("network", figures))
    if any(good(one) is False for one in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    try:
        typer.run(main)
    except PortolanError as error:
        people.print(f"error: {error}", markup=False)
        sys.exit(2)
