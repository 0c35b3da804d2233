"""How the site's hosts are guarded: who gets in, what is recorded, what is watched."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal

from portolan.model import Model


class Security(Model):
    """What guards the hosts. The defaults are what every host is expected to have and what costs next to nothing.

    `operators` and `clients` are the ranges that SSH and the published services may be reached from; empty: any.
    """

    firewall: bool = True
    operators: tuple[IPv4Network, ...] = ()
    clients: tuple[IPv4Network, ...] = ()
    audit: bool = True
    file_integrity: bool = False
    ban_repeated_failures: bool = False
    benchmarks: bool = False  # lynis, every week, its report kept on the host
    automatic_updates: Literal["none", "security"] = "none"
