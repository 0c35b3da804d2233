"""Names of everything that a sandbox leaves on the machine, so that leftovers are found without any state.

Network interfaces have 15 characters, iptables chains 28: there the site appears as eight hexadecimal digits.
Control groups have room: there site and host are written out, parted by a dot, which no label contains.
"""

from __future__ import annotations

import hashlib
import re
from ipaddress import IPv4Address, IPv4Network

BRIDGE_PREFIX = "ptl-"
VETH_PREFIX = "vb-"  # systemd-nspawn's own prefix for the machine's end of a host's link
LINE_PREFIX = "vl-"  # a location's end of the line to the others
FORWARD_CHAIN_PREFIX = "PORTOLAN-FORWARD-"
INPUT_CHAIN_PREFIX = "PORTOLAN-INPUT-"
ALIAS_PREFIX = "portolan:"
_CGROUP = re.compile(r"^portolan-(?P<site>[a-z0-9-]+)\.(?P<host>[a-z0-9-]+)$")
_BRIDGE = re.compile(rf"^{BRIDGE_PREFIX}(?P<identity>[0-9a-f]{{8}})(?:-[1-9a-f])?$")
_LINE = re.compile(r"^portolan-line-(?P<identity>[0-9a-f]{8})$")
_CHAIN = re.compile(rf"^(?:{FORWARD_CHAIN_PREFIX}|{INPUT_CHAIN_PREFIX})(?P<identity>[0-9a-f]{{8}})$")


def identity(site: str) -> str:
    """Return the site's eight hexadecimal digits.

    >>> identity("sandbox")
    '961db582'
    """
    return hashlib.sha256(f"portolan sandbox {site}".encode()).hexdigest()[:8]


def bridge(site: str, segment: int = 0) -> str:
    """Return the name of the bridge of a site, or of its location number `segment` (12 or 14 characters)."""
    return BRIDGE_PREFIX + identity(site) + (f"-{segment:x}" if segment else "")


def line(site: str) -> str:
    """Return the name of the network namespace that is the line between the locations of a site."""
    return f"portolan-line-{identity(site)}"


def line_end(site: str, segment: int) -> str:
    """Return the name of the bridge's end of the link to the line (13 characters)."""
    return f"{LINE_PREFIX}{identity(site)}-{segment:x}"


def parse_line(name: str) -> str | None:
    """Return the site's identity from the name of a line's network namespace, or None where it is not a sandbox's."""
    match = _LINE.match(name)
    return match["identity"] if match else None


def bridge_alias(site: str) -> str:
    """Return the alias of the site's bridge, which names the site in full (`ip -details link`)."""
    return ALIAS_PREFIX + site


def forward_chain(site: str) -> str:
    """Return the name of the site's iptables chain for forwarded and bridged packets."""
    return FORWARD_CHAIN_PREFIX + identity(site)


def input_chain(site: str) -> str:
    """Return the name of the site's iptables chain for packets from its hosts to the machine."""
    return INPUT_CHAIN_PREFIX + identity(site)


def machine(site: str, network: IPv4Network, address: IPv4Address, segment: int = 0) -> str:
    """Return the nspawn machine name: the site's identity, the location's number, the address's offset in its range.

    Twelve digits, unique by construction: nspawn derives the name of the veth from it unshortened. A site without
    locations has all four last digits for the offset; with them, ranges have at most 4,096 addresses.
    """
    offset = int(address) - int(network.network_address)
    return f"{identity(site)}{segment * 0x1000 + offset:04x}"


def veth(machine_name: str) -> str:
    """Return the name of the machine's end of a host's link (15 characters)."""
    return VETH_PREFIX + machine_name


def cgroup(site: str, host: str) -> str:
    """Return the name of a host's control group in every hierarchy.

    >>> cgroup("sandbox", "worker-1")
    'portolan-sandbox.worker-1'
    """
    return f"portolan-{site}.{host}"


def parse_cgroup(name: str) -> tuple[str, str] | None:
    """Return site and host of a control group's name, or None where it is not a sandbox host's."""
    match = _CGROUP.match(name)
    return (match["site"], match["host"]) if match else None


def parse_bridge(name: str) -> str | None:
    """Return the site's identity from a bridge's name, or None where it is not a sandbox's."""
    match = _BRIDGE.match(name)
    return match["identity"] if match else None


def parse_chain(name: str) -> str | None:
    """Return the site's identity from an iptables chain's name, or None where it is not a sandbox's."""
    match = _CHAIN.match(name)
    return match["identity"] if match else None
