"""The tunnel between the locations of a site: how it is, and new keys for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.files import write_atomically
from portolan.inventory.converge import ConvergeResult, Options, converge_all
from portolan.inventory.events import RoleSummary
from portolan.inventory.sources import tunnel_generation
from portolan.model import Model
from portolan.sites.loader import load_site
from portolan.sites.schema import Site

# Peers speak every keepalive and shake hands anew after 120 s; WireGuard drops a session after 180 s
# (protocol paper, REKEY_AFTER_TIME and REJECT_AFTER_TIME).
SILENT_SECONDS = 180
SCRIPT = """\
printf 'active %s\\n' "$(cat /etc/portolan/tunnel/active 2>/dev/null || echo none)"
wg show all dump
"""


class Peer(Model):
    """Another location, as a gateway sees it."""

    gateway: str
    location: str
    range: str
    interface: str
    in_use: bool  # whether routes lead through this interface
    handshake_seconds: float | None  # since the last handshake; None: never
    received_bytes: int
    sent_bytes: int

    @property
    def up(self) -> bool:
        """Whether the peer answered lately."""
        return self.handshake_seconds is not None and self.handshake_seconds < SILENT_SECONDS


def require_locations(site: Site, path: Path) -> None:
    """Refuse a site without locations. Raises PortolanError."""
    if site.locations is None:
        raise PortolanError(str(path), "the site has no locations, and so no tunnel", "see docs/how-to/hybrid.md")


def parse(gateway: str, output: str, locations: dict[str, str], now: float) -> tuple[Peer, ...]:
    """Read what a gateway says of its peers: `wg show all dump` after the generation in use.

    `locations` are names by range. Private keys, which the dump holds, are never kept.
    """
    lines = output.splitlines()
    active = lines[0].removeprefix("active ") if lines else "none"
    found = []
    for line in lines[1:]:
        fields = line.split("\t")
        if len(fields) != 9:  # the interface's own line has five fields
            continue
        interface, _, _, _, allowed, handshake, received, sent, _ = fields
        location_range = allowed.split(",")[0]
        found.append(
            Peer(
                gateway=gateway,
                location=locations.get(location_range, location_range),
                range=location_range,
                interface=interface,
                in_use=interface == f"tunnel{active}",
                handshake_seconds=max(0.0, now - int(handshake)) if int(handshake) else None,
                received_bytes=int(received),
                sent_bytes=int(sent),
            )
        )
    return tuple(found)


def status(path: Path) -> tuple[Peer, ...]:
    """Ask every gateway for its peers. Raises PortolanError where none answers, or the site has no locations."""
    from portolan.conformity.reach import HostUnreachableError, connections, host_addresses

    site = load_site(path)
    require_locations(site, path)
    assert site.locations is not None
    names = {str(location.hosts): location.name for location in site.locations.places}
    gateways = {str(location.gateway) for location in site.locations.places}
    found: list[Peer] = []
    silent: list[str] = []
    with connections(tuple(one for one in host_addresses(path) if one.name in gateways)) as opened:
        for name, connection in opened.items():
            try:
                answer = connection.shell(SCRIPT)
            except HostUnreachableError as error:
                silent.append(str(error))
                continue
            found += parse(name, answer.output, names, time.time())
    if silent and not found:
        raise PortolanError(str(path), "; ".join(silent), "check that the gateways run and let you in")
    return tuple(found)


def rotate(path: Path, progress: Callable[[RoleSummary], None]) -> ConvergeResult:
    """Give the tunnel new keys beside the old ones; the old ones go when the new have shaken hands.

    A run that stopped half-way is continued, not begun anew: the old keys serve until the end.
    Raises PortolanError where the gateways do not find each other by the new keys.
    """
    site = load_site(path)
    require_locations(site, path)
    state = paths.site_state(site.name)
    asked, done = tunnel_generation(state), state / "tunnel-rotated"
    finished = int(done.read_text(encoding="ascii")) if done.is_file() else 0
    if asked == finished:
        asked += 1
        write_atomically(state / "tunnel-generation", f"{asked}\n")
    (result,) = converge_all(path, Options(tags="wireguard"), progress)
    write_atomically(done, f"{asked}\n")
    return result
