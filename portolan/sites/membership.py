"""What one location's cluster knows of the site that it belongs to, where each location has a cluster of its own.

Portolan writes this into the site file that it derives for each location; nobody writes it by hand.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from portolan.model import Model
from portolan.sites.locations import Bursts, Tunnel
from portolan.sites.rules import DnsLabel


class Neighbour(Model):
    """Another location's cluster under the same management."""

    name: DnsLabel
    kind: Literal["on-site", "cloud"]
    hosts: IPv4Network
    gateway: DnsLabel
    address: IPv4Address | None = None  # of its gateway; None before its hosts are made


class Membership(Model):
    """Which location of which site this cluster is, and what it shares with the others."""

    site: DnsLabel
    location: DnsLabel
    kind: Literal["on-site", "cloud"]
    gateway: DnsLabel  # the host that ends the tunnel here
    tunnel: Tunnel
    bursts: Bursts
    neighbours: tuple[Neighbour, ...]
