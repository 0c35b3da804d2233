"""Count, on a sandbox's bridge, what tries to leave the site; and run a command where the site is all there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from portolan import paths
from portolan.sandbox import names
from portolan.sites.schema import Site

CHAIN = "PORTOLAN-EGRESS-"


def rules(site: Site) -> str:
    """Return what `iptables-restore` must do so that packets which come in by the site's bridge and go elsewhere count.

    In the table raw, before any routing and any other filter, so that it sees what would be dropped later too. The
    bridge itself speaks no IPv6.
    """
    chain, bridge = CHAIN + names.identity(site.name), names.bridge(site.name)
    own = (*site.host_ranges, site.network.pods, site.network.services, "224.0.0.0/4", "255.255.255.255/32")
    returns = [f"-A {chain} -d {one} -j RETURN" for one in own]
    lines = ["*raw", f":{chain} - [0:0]", *returns, f"-A {chain} -m comment --comment left"]
    return "\n".join([*lines, f"-I PREROUTING 1 -i {bridge} -j {chain}", "COMMIT", ""])


def counted(listing: str) -> int:
    """Return the packets that the counting rule saw, from `iptables -t raw -v -x -n -L CHAIN`.

    >>> counted("  2  168  all  --  *  *  0.0.0.0/0  0.0.0.0/0  /* left */")
    2
    """
    (line,) = (line for line in listing.splitlines() if "/* left */" in line)
    return int(line.split()[0])


@dataclass(frozen=True)
class Egress:
    """The counter on the bridge of a site that stands."""

    chain: str

    def packets(self) -> int:
        """Return how many packets tried to leave so far."""
        command = ["iptables", "-w", "10", "-t", "raw", "-v", "-x", "-n", "-L", self.chain]
        return counted(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextmanager
def counting(site: Site) -> Iterator[Egress]:
    """Count on the site's bridge; the counter goes at the end."""
    chain = CHAIN + names.identity(site.name)
    _stop(site, chain)
    subprocess.run(["iptables-restore", "-w", "10", "--noflush"], input=rules(site), text=True, check=True)
    try:
        yield Egress(chain)
    finally:
        _stop(site, chain)


def _stop(site: Site, chain: str) -> None:
    for rule in (["-D", "PREROUTING", "-i", names.bridge(site.name), "-j", chain], ["-F", chain], ["-X", chain]):
        subprocess.run(["iptables", "-w", "10", "-t", "raw", *rule], check=False, capture_output=True)


@dataclass(frozen=True)
class Confined:
    """A network namespace that is joined to the site's bridge, and to nothing else."""

    namespace: str
    cache: Path

    def portolan(self, *arguments: str | Path, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run the command line in there; never raises for its exit code."""
        command = ["ip", "netns", "exec", self.namespace, sys.executable, "-c", "from portolan.cli import run; run()"]
        return subprocess.run(
            [*command, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            cwd=paths.REPOSITORY,
            env={**os.environ, "PORTOLAN_CACHE": str(self.cache), "PORTOLAN_NO_OFFICIAL": "1"},
        )

    def reaches(self, address: str, port: int) -> bool:
        """Tell whether a TCP connection from in there gets an answer."""
        script = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"
        command = ["ip", "netns", "exec", self.namespace, sys.executable, "-c", script, address, str(port)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def links(self) -> list[str]:
        """Return the names of its interfaces."""
        listed = subprocess.run(["ip", "-netns", self.namespace, "-json", "link"], check=True, capture_output=True)
        return [link["ifname"] for link in json.loads(listed.stdout)]


@contextmanager
def confined(site: Site, cache: Path) -> Iterator[Confined]:
    """Make such a namespace; its way to anywhere else is the bridge, where it is counted."""
    namespace, link = f"portolan-{site.name}", f"vg-{names.identity(site.name)}"
    network: IPv4Network = site.network.hosts
    own, gateway = network.broadcast_address - 1, network.network_address + 1
    _remove(namespace, link)
    try:
        for command in (
            ["ip", "netns", "add", namespace],
            ["ip", "link", "add", link, "type", "veth", "peer", "name", "site0", "netns", namespace],
            ["ip", "link", "set", link, "master", names.bridge(site.name), "up"],
            ["ip", "-netns", namespace, "link", "set", "lo", "up"],
            ["ip", "-netns", namespace, "address", "add", f"{own}/{network.prefixlen}", "dev", "site0"],
            ["ip", "-netns", namespace, "link", "set", "site0", "up"],
            ["ip", "-netns", namespace, "route", "add", "default", "via", str(gateway)],
        ):
            subprocess.run(command, check=True)
        yield Confined(namespace, cache)
    finally:
        _remove(namespace, link)


def _remove(namespace: str, link: str) -> None:
    for command in (["ip", "link", "delete", link], ["ip", "netns", "delete", namespace]):
        subprocess.run(command, check=False, capture_output=True)
