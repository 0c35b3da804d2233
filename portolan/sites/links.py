"""Further links of a host: bonds, VLANs, large frames, fast Ethernet and InfiniBand.

The link that carries a host's own address stays as the installer made it: nothing here may touch it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Interface, IPv4Network
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt

from portolan.model import Model
from portolan.sites.rules import DnsLabel, fault

if TYPE_CHECKING:
    from portolan.sites.schema import Host, Hosts, Network

# The kernel's own limit of a name (IFNAMSIZ 16, with its end), less what has a meaning in a path or in networkd.
LinkName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")]
ETHERNET_BYTES = 1500
LARGEST_ETHERNET_BYTES = 9216  # what switches and adapters of 10 Gbit/s and more carry; 9000 is usual
# Source: Linux, Documentation/infiniband/ipoib.rst: 4096 of the port less 4 of the header, and a connection's largest.
LARGEST_INFINIBAND_BYTES = {"datagram": 4092, "connected": 65520}
BondMode = Literal["802.3ad", "active-backup", "balance-xor"]


class Vlan(Model):
    """A VLAN on another link of the host."""

    id: Annotated[int, Field(ge=1, le=4094)]
    of: LinkName


class Link(Model):
    """One link. With `members` a bond, with `vlan` a VLAN, with `infiniband` IP over InfiniBand, else an adapter."""

    name: LinkName
    addresses: tuple[IPv4Interface, ...] = ()
    mtu_bytes: Annotated[int, Field(ge=1280, le=65520)] = ETHERNET_BYTES
    members: tuple[LinkName, ...] = ()
    mode: BondMode = "802.3ad"
    vlan: Vlan | None = None
    infiniband: Literal["datagram", "connected"] | None = None
    speed_gigabits: Literal[1, 10, 25, 40, 50, 100, 200, 400] | None = None  # None: what both ends agree on
    flow_control: bool | None = None  # pause frames; None: as the adapter comes
    largest_buffers: bool = False  # rings of the adapter as long as it has them

    @property
    def kind(self) -> str:
        """Return what the link is."""
        kinds = {"bond": bool(self.members), "vlan": self.vlan is not None, "infiniband": self.infiniband is not None}
        return next((name for name, true in kinds.items() if true), "ethernet")


class Rdma(Model):
    """Remote memory access for pods: adapters that several pods share, as the resource `rdma/RESOURCE`."""

    resource: DnsLabel = "shared"
    interfaces: Annotated[tuple[LinkName, ...], Field(min_length=1)]
    most_pods: PositiveInt = 64  # that share an adapter
    subnet_manager: DnsLabel | None = None  # the host that runs one; None: a switch does, or Ethernet needs none


class LinkRules(Model):
    """What one host's links are held to, apart from other hosts."""

    links: tuple[Link, ...]

    def check(self, at: tuple[str | int, ...], host: str) -> None:
        """Raise the site file's own error where the links do not go together."""
        names: set[str] = set()
        for place, link in enumerate(self.links):
            here = (*at, place)
            if link.name in names or link.name == "lo":
                raise fault((*here, "name"), f"link {link.name} of {host} is taken", "give each link a name of its own")
            names.add(link.name)
            self._check_kind(here, link)
            self._check_size(here, link)
        self._check_members(at)
        for (_, one), (place, other) in combinations(self._networks(), 2):
            if one.overlaps(other):
                raise fault(
                    (*at, place, "addresses"),
                    f"two links of {host} are in {one}: answers would leave by either of them",
                    "give each link a network of its own",
                )

    def _check_kind(self, at: tuple[str | int, ...], link: Link) -> None:
        kinds = [name for name in ("members", "vlan", "infiniband") if getattr(link, name)]
        if len(kinds) > 1:
            raise fault(
                (*at, kinds[1]), f"link {link.name} is two kinds at once: {' and '.join(kinds)}", "make it two links"
            )
        if len(link.members) == 1:
            raise fault((*at, "members"), f"bond {link.name} has one member", "give two, or name the adapter itself")
        if not link.members and "mode" in link.model_fields_set:
            raise fault((*at, "mode"), f"link {link.name} is no bond", "give it members, or remove mode")
        if link.vlan is not None and link.vlan.of == link.name:
            raise fault((*at, "vlan", "of"), f"link {link.name} would lie on itself", "name the link below it")
        for key in ("speed_gigabits", "flow_control", "largest_buffers"):
            if link.kind in ("vlan", "infiniband") and getattr(link, key):
                raise fault((*at, key), f"is a property of an Ethernet adapter, and {link.name} is none", "remove it")

    def _check_size(self, at: tuple[str | int, ...], link: Link) -> None:
        largest = LARGEST_INFINIBAND_BYTES[link.infiniband] if link.infiniband else LARGEST_ETHERNET_BYTES
        if link.mtu_bytes > largest:
            raise fault(
                (*at, "mtu_bytes"),
                f"{link.mtu_bytes} is more than {link.infiniband or 'Ethernet'} carries: {largest}",
                "give 9000 for large frames" if link.infiniband is None else f"give {largest} at most",
            )
        below = next((one for one in self.links if link.vlan is not None and one.name == link.vlan.of), None)
        if below is not None and link.mtu_bytes > below.mtu_bytes:
            raise fault(
                (*at, "mtu_bytes"),
                f"VLAN {link.name} has frames of {link.mtu_bytes}, the link below it of {below.mtu_bytes}",
                f"give {below.name} the larger, or {link.name} the smaller",
            )

    def _check_members(self, at: tuple[str | int, ...]) -> None:
        owner: dict[str, str] = {}
        own = {link.name: link for link in self.links}
        for place, link in enumerate(self.links):
            for member in link.members:
                if member in owner:
                    raise fault(
                        (*at, place, "members"), f"{member} is in {owner[member]} already", "put it into one bond"
                    )
                owner[member] = link.name
                if member in own:
                    raise fault(
                        (*at, place, "members"),
                        f"{member} is a member of {link.name} and a link of its own",
                        "remove the link: a bond's members have no addresses, and frames of the bond's size",
                    )

    def _networks(self) -> list[tuple[int, IPv4Network]]:
        return [(place, one.network) for place, link in enumerate(self.links) for one in link.addresses]


def check_links(hosts: Hosts, network: Network, host_ranges: Iterable[IPv4Network]) -> None:
    """Refuse links that do not fit a host, the site's ranges or each other. Raises the site file's own error."""
    reserved = [("pods", network.pods), ("services", network.services), *(("hosts", one) for one in host_ranges)]
    owner: dict[str, str] = {host.address: host.name for host in hosts.nodes if host.address}
    for place, host in enumerate(hosts.nodes):
        at = ("hosts", "nodes", place, "links")
        LinkRules(links=host.links).check(at, host.name)
        _check_addresses(at, host, reserved, owner)
    _check_rdma(hosts, network)


def _check_addresses(
    at: tuple[str | int, ...], host: Host, reserved: Sequence[tuple[str, IPv4Network]], owner: dict[str, str]
) -> None:
    for place, link in enumerate(host.links):
        for number, address in enumerate(link.addresses):
            here = (*at, place, "addresses", number)
            whole = address.network
            if whole.prefixlen < 31 and address.ip in (whole.network_address, whole.broadcast_address):
                raise fault(here, f"{address} is no host's address of {whole}", "give one within the network")
            if address.ip.compressed in owner:
                raise fault(
                    here,
                    f"address {address.ip} is already that of {owner[address.ip.compressed]}",
                    "give each link an address of its own",
                )
            owner[address.ip.compressed] = host.name
            for name, taken in reserved:
                if whole.overlaps(taken):
                    raise fault(
                        here,
                        f"{whole} overlaps the range of {name} {taken}",
                        "choose a network that is used for nothing else: the host's own connection must not move to it",
                    )


def _check_rdma(hosts: Hosts, network: Network) -> None:
    rdma = network.rdma
    if rdma is None or rdma.subnet_manager is None:
        return
    if rdma.subnet_manager not in {host.name for host in hosts.nodes}:
        raise fault(
            ("network", "rdma", "subnet_manager"),
            f"there is no host '{rdma.subnet_manager}'",
            "name a host of the site that has an InfiniBand adapter",
        )
