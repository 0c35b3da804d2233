"""Data disks of the hosts, and what is shared between hosts over NFS."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, model_validator

from portolan.model import Model
from portolan.sites.rules import DnsLabel, fault

if TYPE_CHECKING:
    from portolan.sites.hosts import Hosts

# XFS keeps twelve characters of a label.
DiskName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,11}$")]
Device = Annotated[str, Field(pattern=r"^/dev/[A-Za-z0-9._:/+-]+$")]
# Where data may lie: what the roles own themselves lies elsewhere, so that bringing a host back to bare costs no data.
Place = Annotated[str, Field(pattern=r"^/(srv|data|mnt)(/[a-z0-9][a-z0-9._]{0,62}){1,4}$")]


class Disk(Model):
    """A whole disk of a host that carries data: XFS, on LVM or plain, encrypted or not.

    It is formatted once, and only where nothing lies on it: a disk with data is refused before anything is changed.
    """

    host: DnsLabel
    name: DiskName
    device: Device  # by a name that stays, for example /dev/disk/by-id/nvme-...
    mount: Place
    least_gigabytes: NonNegativeFloat = 1.0  # of 10^9 bytes; a smaller device is refused
    layout: Literal["lvm", "plain"] = "lvm"
    encryption: Literal["none", "key-file", "tang"] = "none"
    tang_url: Annotated[str, Field(pattern=r"^https?://[^\s'\"]+$")] | None = None
    tang_thumbprint: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{20,}$")] | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """Return what lies on the device, from below to above."""
        below = (("luks", self.encryption != "none"), ("lvm", self.layout == "lvm"))
        return (*(name for name, there in below if there), "xfs")


class Share(Model):
    """A directory of one host that others mount by NFS."""

    name: DnsLabel
    host: DnsLabel
    path: Place
    versions: Annotated[tuple[Literal[3, 4], ...], Field(min_length=1)] = (3, 4)
    clients: tuple[IPv4Network, ...] = ()  # empty: the hosts' own ranges
    read_only: bool = False
    squash: Literal["root", "all", "none"] = "root"  # whose requests are taken as nobody's
    mounted_on: tuple[DnsLabel, ...] = ()  # hosts that mount it
    mount: Place | None = None  # where they do; None: /mnt/NAME

    @property
    def place(self) -> str:
        """Return where clients mount it."""
        return self.mount or f"/mnt/{self.name.replace('-', '_')}"


class Storage(Model):
    """What hosts keep on disks of their own, and what they share."""

    disks: tuple[Disk, ...] = ()
    shares: tuple[Share, ...] = ()
    nfs_server: Literal["auto", "kernel", "ganesha"] = "auto"  # auto: the kernel's where the host's kernel has one

    @model_validator(mode="after")
    def _disks_are_whole(self) -> Self:
        for number, disk in enumerate(self.disks):
            at = ("storage", "disks", number)
            beside = [one for one in self.disks[:number] if one.host == disk.host]
            for key in ("name", "device", "mount"):
                if getattr(disk, key) in [getattr(one, key) for one in beside]:
                    raise fault(
                        (*at, key),
                        f"{key} {getattr(disk, key)} of host {disk.host} is given twice",
                        "give each disk of a host a name, a device and a mount of its own",
                    )
            for one in beside:
                if inside(disk.mount, one.mount) or inside(one.mount, disk.mount):
                    raise fault(
                        (*at, "mount"),
                        f"{disk.mount} and {one.mount} of host {disk.host} lie inside each other",
                        "mount the disks beside each other, for example /srv/one and /srv/two",
                    )
            told = disk.tang_url is not None and disk.tang_thumbprint is not None
            if (disk.encryption == "tang") != told or (disk.tang_url is None) != (disk.tang_thumbprint is None):
                raise fault(
                    (*at, "encryption"),
                    f"encryption {disk.encryption} of disk {disk.name} and the Tang server do not fit together",
                    "give `encryption: tang`, `tang_url` and `tang_thumbprint` (there: tang-show-keys), or none",
                )
        return self

    @model_validator(mode="after")
    def _shares_are_told_apart(self) -> Self:
        for number, share in enumerate(self.shares):
            at = ("storage", "shares", number)
            beside = self.shares[:number]
            if share.name in [one.name for one in beside]:
                raise fault((*at, "name"), f"share '{share.name}' is given twice", "give each a name of its own")
            if (share.host, share.path) in [(one.host, one.path) for one in beside]:
                raise fault(
                    (*at, "path"),
                    f"{share.path} of host {share.host} is shared twice",
                    "share a directory once, with all of its clients",
                )
            if share.host in share.mounted_on:
                raise fault(
                    (*at, "mounted_on"),
                    f"host {share.host} would mount its own share {share.name}",
                    f"remove it from mounted_on: there, the data are at {share.path}",
                )
        return self


def inside(place: str, other: str) -> bool:
    """Tell whether a place lies below another.

    >>> inside("/srv/data/models", "/srv/data"), inside("/srv/data-2", "/srv/data")
    (True, False)
    """
    return PurePosixPath(other) in PurePosixPath(place).parents


def check_storage(storage: Storage, hosts: Hosts) -> None:
    """Refuse what names hosts that the site has not, and mounts in each other. Raises the site file's own error."""
    names = [node.name for node in hosts.nodes]
    named = [(("disks", number, "host"), disk.host) for number, disk in enumerate(storage.disks)]
    for number, share in enumerate(storage.shares):
        named.append((("shares", number, "host"), share.host))
        named += [(("shares", number, "mounted_on"), name) for name in share.mounted_on]
    for place, name in named:
        if name not in names:
            raise fault(("storage", *place), f"there is no host '{name}'", f"give one of {', '.join(names)}")
    taken = [(disk.host, disk.mount) for disk in storage.disks]
    taken += [(share.host, share.path) for share in storage.shares]
    for number, share in enumerate(storage.shares):
        for name in share.mounted_on:
            for host, mount in taken:
                if host == name and (mount == share.place or inside(share.place, mount) or inside(mount, share.place)):
                    raise fault(
                        ("storage", "shares", number, "mount"),
                        f"{share.place} and {mount} of host {name} lie inside each other",
                        "mount them beside each other, for example at /mnt/one and /mnt/two",
                    )
        taken += [(name, share.place) for name in share.mounted_on]
