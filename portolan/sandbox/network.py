"""A sandbox's bridge and its packet filter: hosts reach each other and the gateway, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from portolan.errors import PortolanError
from portolan.sandbox import names
from portolan.sandbox.processes import run
from portolan.sandbox.spec import Sandbox, Segment

_REMEDY = "run `portolan sandbox down` for the site, then `portolan sandbox up` again"


def links() -> list[dict[str, Any]]:
    """Return the machine's network interfaces, as `ip -json address` tells them."""
    found: list[dict[str, Any]] = json.loads(run(["ip", "-json", "-details", "address"], remedy=_REMEDY) or "[]")
    return found


def routes() -> list[dict[str, Any]]:
    """Return the machine's IPv4 routes, as `ip -json route` tells them."""
    found: list[dict[str, Any]] = json.loads(
        run(["ip", "-json", "-4", "route", "show", "table", "all"], remedy=_REMEDY) or "[]"
    )
    return found


def overlapping(
    network: IPv4Network, bridge: str, found_links: Iterable[dict[str, Any]], found_routes: Iterable[dict[str, Any]]
) -> str | None:
    """Return what already uses part of the range, in words, or None. The sandbox's own bridge does not count."""
    for link in found_links:
        if link["ifname"] == bridge:
            continue
        for address in link.get("addr_info", ()):
            if address.get("family") != "inet":
                continue
            used = IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
            if used.overlaps(network):
                alias = link.get("ifalias", "")
                owner = f" (sandbox {alias.removeprefix(names.ALIAS_PREFIX)})" if alias else ""
                return f"interface {link['ifname']}{owner} has {used}"
    for route in found_routes:
        destination = route.get("dst", "default")
        if destination == "default" or route.get("dev") == bridge:
            continue
        if IPv4Network(destination, strict=False).overlaps(network):
            return f"a route to {destination} by {route.get('dev', 'another table')}"
    return None


def filter_script(sandbox: Sandbox, rules: Iterable[str]) -> str:
    """Return what `iptables-restore --noflush` must do, given `iptables -S`; empty where all stands already.

    One transaction: a kill leaves all of it or nothing. The machine forwards nothing for a host, in either
    direction; between hosts frames stay on the bridge, and pass here only where the machine's
    `net.bridge.bridge-nf-call-iptables` sends them through (then another tool's policy could drop them).
    """
    forward, incoming = names.forward_chain(sandbox.site), names.input_chain(sandbox.site)
    wanted = [f"-A {forward} -i {one.bridge} -o {one.bridge} -j ACCEPT" for one in sandbox.segments]
    wanted.append(f"-A {forward} -j REJECT --reject-with icmp-admin-prohibited")
    wanted += [f"-A {incoming} -d {one.gateway}/32 -i {one.bridge} -j ACCEPT" for one in sandbox.segments]
    wanted.append(f"-A {incoming} -j REJECT --reject-with icmp-admin-prohibited")
    jumps = [
        jump
        for one in sandbox.segments
        for jump in (
            f"FORWARD -i {one.bridge} -j {forward}",
            f"FORWARD -o {one.bridge} -j {forward}",
            f"INPUT -i {one.bridge} -j {incoming}",
        )
    ]
    standing = list(rules)
    mine = [rule for rule in standing if rule.startswith((f"-A {forward} ", f"-A {incoming} "))]
    missing = [jump for jump in jumps if f"-A {jump}" not in standing]
    if sorted(mine) == sorted(wanted) and not missing:
        return ""
    inserts = [f"-I {jump.split(' ', 1)[0]} 1 {jump.split(' ', 1)[1]}" for jump in missing]
    return "\n".join(["*filter", f":{forward} - [0:0]", f":{incoming} - [0:0]", *wanted, *inserts, "COMMIT", ""])


def filter_removal_script(identity: str, rules: Iterable[str]) -> str:
    """Return what `iptables-restore --noflush` must do to remove a site's rules; empty where there are none."""
    chains = {names.FORWARD_CHAIN_PREFIX + identity, names.INPUT_CHAIN_PREFIX + identity}
    standing = list(rules)
    jumps = ["-D" + rule[2:] for rule in standing if rule.startswith("-A ") and rule.split(" -j ")[-1] in chains]
    made = [rule.split(" ")[1] for rule in standing if rule.startswith("-N ") and rule.split(" ")[1] in chains]
    if not jumps and not made:
        return ""
    flushes = [f"-F {chain}" for chain in made]
    return "\n".join(["*filter", *jumps, *flushes, *(f"-X {chain}" for chain in made), "COMMIT", ""])


def filter_rules() -> list[str]:
    """Return the machine's filter table, as `iptables -S` prints it."""
    return run(["iptables", "-w", "10", "-S"], remedy="install iptables and run as root").splitlines()


def restore(script: str) -> None:
    """Apply a script of `iptables-restore`."""
    run(["iptables-restore", "-w", "10", "--noflush"], text=script, remedy=_REMEDY)


def check(sandbox: Sandbox) -> None:
    """Refuse a range that is taken, or that is not the one of the bridge that stands already; changes nothing.

    Raises PortolanError.
    """
    found, found_routes = links(), routes()
    for segment in sandbox.segments:
        where = f"site {sandbox.site}, " + (f"location {segment.location}" if segment.location else "network.hosts")
        wanted = f"{segment.gateway}/{segment.network.prefixlen}"
        has = _addresses(found, segment.bridge)
        if has and has != [wanted]:
            raise PortolanError(
                where,
                f"the sandbox stands with the gateway {has[0]}, and the site file now says {wanted}",
                "put the old range back, or take the sandbox down first (`portolan sandbox down`)",
            )
        user = overlapping(segment.network, segment.bridge, found, found_routes)
        if user is not None:
            raise PortolanError(
                where,
                f"the range {segment.network} is taken: {user}",
                "choose another range in the site file, or take down what uses this one (`portolan sandbox list`)",
            )


def _addresses(found: Iterable[dict[str, Any]], name: str) -> list[str]:
    """Return the IPv4 addresses, with their lengths, of one interface."""
    return [
        f"{one['local']}/{one['prefixlen']}"
        for link in found
        if link["ifname"] == name
        for one in link.get("addr_info", ())
        if one["family"] == "inet"
    ]


def ensure(sandbox: Sandbox) -> None:
    """Make the bridges and the packet filter where they do not stand yet; what stands is left alone.

    Raises PortolanError where a range is taken, or a bridge stands with another one.
    """
    check(sandbox)
    found = links()
    for number, segment in enumerate(sandbox.segments):
        _ensure_bridge(sandbox.site, number, segment, found)
    masters = {names.veth(host.machine): host.segment.bridge for host in sandbox.hosts}
    for link in found:  # a bridge that somebody deleted left the links of running hosts behind
        bridge = masters.get(link["ifname"])
        if bridge is not None and link.get("master") != bridge:
            run(["ip", "link", "set", link["ifname"], "master", bridge, "up"], remedy=_REMEDY)
    script = filter_script(sandbox, filter_rules())
    if script:
        restore(script)


def _ensure_bridge(site: str, number: int, segment: Segment, found: list[dict[str, Any]]) -> None:
    own = next((link for link in found if link["ifname"] == segment.bridge), None)
    if own is None:
        mac = _bridge_mac(site, number)
        run(
            ["ip", "link", "add", "name", segment.bridge, "address", mac, "type", "bridge"],
            remedy="run as root on a kernel with bridges",
        )
    if own is None or own.get("ifalias") != names.bridge_alias(site):
        run(["ip", "link", "set", segment.bridge, "alias", names.bridge_alias(site)], remedy=_REMEDY)
    ipv6 = Path(f"/proc/sys/net/ipv6/conf/{segment.bridge}/disable_ipv6")
    if ipv6.exists():  # the packet filter speaks IPv4 only, so the machine takes nothing else from hosts
        ipv6.write_text("1", encoding="ascii")
    if not _addresses(found, segment.bridge):
        address = f"{segment.gateway}/{segment.network.prefixlen}"
        run(["ip", "address", "add", address, "dev", segment.bridge], remedy=_REMEDY)
    run(["ip", "link", "set", segment.bridge, "up"], remedy=_REMEDY)


def remove_link(name: str) -> None:
    """Remove an interface; one that is gone already is no error."""
    if Path("/sys/class/net", name).exists():
        try:
            run(["ip", "link", "delete", name], remedy=_REMEDY)
        except PortolanError:
            if Path("/sys/class/net", name).exists():  # else the kernel was faster than we
                raise


def _bridge_mac(site: str, number: int = 0) -> str:
    """Return a hardware address of the bridge's own; else it would change with each host that comes and goes."""
    digits = names.identity(site)
    return ":".join(["02", f"{0x50 + number:02x}", *(digits[at : at + 2] for at in range(0, 8, 2))])
