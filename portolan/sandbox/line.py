"""The line between a sandbox's locations: a network namespace that routes between their gateways, and nothing else.

It stands for the internet, or for a rented line: it has a delay, loses packets, is only so wide, and can be cut. The
kernel's netem delays where there is one; else a program in user space does (`portolan.sandbox.delay`). Loss is
iptables' `statistic`, width is `tbf`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import permutations
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from portolan import paths
from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sandbox import names, network
from portolan.sandbox.places import SitePlaces, write_if_changed
from portolan.sandbox.processes import run
from portolan.sandbox.spec import Sandbox

NAMESPACES = Path("/run/netns")
DELAY_DEVICE = "delay0"
DELAY_TABLE = "77"
DELAY_START_SECONDS = 10.0
QUEUE_MILLISECONDS = 50  # what the line's own buffer holds before it drops
_REMEDY = "run `portolan sandbox down` for the site, then `portolan sandbox up` again"


class Shape(Model):
    """What the line is like. Nothing is limited by default, for what is not asked for costs processor time."""

    delay_milliseconds: Annotated[float, Field(ge=0, le=2000)] = 0.0  # one way; a round trip takes twice that
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.0  # share of packets
    bandwidth_megabits_per_second: Annotated[float, Field(ge=0, le=100_000)] = 0.0  # each way; 0: as the machine can
    cut: bool = False


def find() -> list[str]:
    """Return the identities of sites whose line is on this machine."""
    if not NAMESPACES.is_dir():
        return []
    return [identity for entry in sorted(NAMESPACES.iterdir()) if (identity := names.parse_line(entry.name))]


def stands(site: str) -> bool:
    """Tell whether a site's line is there."""
    return (NAMESPACES / names.line(site)).exists()


def inside(segment: int) -> str:
    """Return the name that the line's end in a location has inside the line."""
    return f"place{segment}"


def ensure(sandbox: Sandbox) -> None:
    """Make the line where the site has locations and it does not stand whole; it then is as it was shaped last."""
    if len(sandbox.segments) < 2:
        return
    namespace = names.line(sandbox.site)
    if not stands(sandbox.site):
        run(["ip", "netns", "add", namespace], remedy="run as root on a kernel with network namespaces")
        _in(sandbox.site, "ip", "link", "set", "lo", "up")
        _in(sandbox.site, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    found = {link["ifname"]: link for link in network.links()}
    for number, segment in enumerate(sandbox.segments):
        outer = names.line_end(sandbox.site, number)
        if outer not in found:
            peer = ["peer", "name", inside(number), "netns", namespace]
            run(["ip", "link", "add", "name", outer, "type", "veth", *peer], remedy=_REMEDY)
            address = f"{segment.line}/{segment.network.prefixlen}"
            _in(sandbox.site, "ip", "address", "add", address, "dev", inside(number))
            _in(sandbox.site, "ip", "link", "set", inside(number), "up")
        if found.get(outer, {}).get("master") != segment.bridge:
            run(["ip", "link", "set", outer, "master", segment.bridge, "up"], remedy=_REMEDY)
    apply(sandbox, shape_of(sandbox.site))


def shape_of(site: str) -> Shape:
    """Return how a site's line was shaped last; unshaped where it never was, or nobody can read it any more."""
    try:
        return Shape.model_validate_json(_record(site).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return Shape()


def shape(sandbox: Sandbox, wanted: Shape) -> None:
    """Give the line of a sandbox that stands another shape, and remember it.

    Raises PortolanError where the site has no line, or the kernel refuses.
    """
    if len(sandbox.segments) < 2:
        raise PortolanError(
            f"sandbox {sandbox.site}", "has no line: all its hosts are in one place", "give the site `locations`"
        )
    if not stands(sandbox.site):
        raise PortolanError(f"sandbox {sandbox.site}", "has no line yet", "run `portolan sandbox up SITE` first")
    apply(sandbox, wanted)
    write_if_changed(_record(sandbox.site), wanted.model_dump_json() + "\n")


def filter_script(sandbox: Sandbox, wanted: Shape, delayed_in_user_space: bool) -> str:
    """Return the line's packet filter for `iptables-restore`: from gateway to gateway, and only there."""
    ends = [segment.endpoint for segment in sandbox.segments]
    rules = [":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]", "-A INPUT -p icmp -j ACCEPT"]
    if wanted.cut:
        rules.append("-A FORWARD -j DROP")
    if delayed_in_user_space:  # such a packet passes twice, and was judged the first time
        rules.append(f"-A FORWARD -i {DELAY_DEVICE} -j ACCEPT")
    if wanted.loss:
        rules.append(f"-A FORWARD -m statistic --mode random --probability {wanted.loss:.6f} -j DROP")
    rules += [f"-A FORWARD -s {one}/32 -d {other}/32 -j ACCEPT" for one, other in permutations(ends, 2)]
    return "\n".join(["*filter", *rules, "COMMIT", ""])


def apply(sandbox: Sandbox, wanted: Shape) -> None:
    """Bring the kernel to the shape, whatever it was before."""
    site = sandbox.site
    netem = wanted.delay_milliseconds > 0 and _has_netem(site)
    user_space = wanted.delay_milliseconds > 0 and not netem
    _end_delay(site)
    for number, _ in enumerate(sandbox.segments):
        device = inside(number)
        subprocess.run(_inside(site, "tc", "qdisc", "del", "dev", device, "root"), capture_output=True, check=False)
        rate = wanted.bandwidth_megabits_per_second
        above = ["root"]
        if netem:
            delay = f"{wanted.delay_milliseconds:g}ms"
            _in(
                site,
                "tc",
                "qdisc",
                "add",
                "dev",
                device,
                *above,
                "handle",
                "1:",
                "netem",
                "delay",
                delay,
                "limit",
                "100000",
            )
            above = ["parent", "1:"]
        if rate:
            burst = max(16_384, round(rate * 1e6 / 8 / 100))  # a hundredth of a second
            width = ["rate", f"{rate:g}mbit", "burst", str(burst), "latency", f"{QUEUE_MILLISECONDS}ms"]
            _in(site, "tc", "qdisc", "add", "dev", device, *above, "tbf", *width)
    if user_space:
        _begin_delay(sandbox, wanted.delay_milliseconds)
    run(_inside(site, "iptables-restore", "-w", "10"), text=filter_script(sandbox, wanted, user_space), remedy=_REMEDY)


def _begin_delay(sandbox: Sandbox, milliseconds: float) -> None:
    """Start the program that delays, and send every packet through it."""
    site_places = SitePlaces(sandbox.site)
    site_places.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "portolan.sandbox.delay", DELAY_DEVICE, f"{milliseconds:g}"]
    with (site_places.logs / "line.log").open("ab") as log:
        process = subprocess.Popen(
            _inside(sandbox.site, *command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=paths.REPOSITORY,
        )
    deadline = time.monotonic() + DELAY_START_SECONDS
    while DELAY_DEVICE not in _devices(sandbox.site):
        if process.poll() is not None or time.monotonic() > deadline:
            raise PortolanError(
                f"sandbox {sandbox.site}",
                "the program that delays packets did not start",
                f"read {site_places.logs / 'line.log'}; it needs /dev/net/tun",
            )
        time.sleep(0.05)
    _in(sandbox.site, "ip", "link", "set", DELAY_DEVICE, "up")
    _in(sandbox.site, "ip", "route", "replace", "default", "dev", DELAY_DEVICE, "table", DELAY_TABLE)
    for number, _ in enumerate(sandbox.segments):
        _in(sandbox.site, "ip", "rule", "add", "iif", inside(number), "lookup", DELAY_TABLE)


def _end_delay(site: str) -> None:
    _end_processes(names.line(site))
    rules = json.loads(run(_inside(site, "ip", "-json", "rule"), remedy=_REMEDY) or "[]")
    for rule in rules:
        if str(rule.get("table")) == DELAY_TABLE:
            _in(site, "ip", "rule", "del", "iif", rule["iif"], "lookup", DELAY_TABLE)


def _end_processes(namespace: str) -> None:
    for _ in range(100):
        found = run(["ip", "netns", "pids", namespace], remedy=_REMEDY).split()
        if not found:
            return
        for process in found:
            try:
                os.kill(int(process), signal.SIGTERM)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def remove(identity: str) -> None:
    """Take a line off the machine; the links into locations go with it."""
    namespace = f"portolan-line-{identity}"
    _end_processes(namespace)
    run(["ip", "netns", "delete", namespace], remedy=_REMEDY)


def _has_netem(site: str) -> bool:
    tried = subprocess.run(
        _inside(site, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"),
        capture_output=True,
        check=False,
    )
    if tried.returncode == 0:
        _in(site, "tc", "qdisc", "del", "dev", "lo", "root")
    return tried.returncode == 0


def _devices(site: str) -> list[str]:
    found = json.loads(run(_inside(site, "ip", "-json", "link"), remedy=_REMEDY) or "[]")
    return [link["ifname"] for link in found]


def _inside(site: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", names.line(site), *command]


def _in(site: str, *command: str) -> None:
    run(_inside(site, *command), remedy=_REMEDY)


def _record(site: str) -> Path:
    return SitePlaces(site).state / "line.json"
