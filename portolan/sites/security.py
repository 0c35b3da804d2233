"""How the site's hosts are guarded: who gets in, what is recorded, what is watched."""

from __future__ import annotations

from ipaddress import IPv4Network

from portolan.model import Model


class Security(Model):
    """What guards the hosts. The defaults are what every host is expected to have and what costs next to nothing.

    `operators` and `clients` are the ranges that SSH and the published services may be reached from; empty: any.
    """

    firewall: bool = True
    operators: tuple[IPv4Network, ...] = ()
    clients: tuple[IPv4Network, ...] = ()
