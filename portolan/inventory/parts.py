"""What the inventory tells of the parts beside Kubernetes: data disks and shares. Pure functions of the site."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from portolan.sites.schema import Host, Site

# A disk is known again by identifiers that follow from site, host and name alone (RFC 9562, version 5): whatever else
# lies on a device was not laid there by this site, and is never formatted.
DISKS = UUID("b1b3a0f6-6a57-5c0e-9d0d-6f6f72746f6c")
PACKAGES = {"xfs": ("xfsprogs",), "lvm": ("lvm2",), "luks": ("cryptsetup-bin",), "tang": ("clevis-luks",)}


def disk_identity(site: str, host: str, disk: str, layer: str) -> str:
    """Return the identifier of one layer of a disk; LVM writes the same 32 digits with other hyphens.

    >>> disk_identity("port", "storage-1", "data", "xfs")
    '3db31d1b-0e80-5943-8482-6bf67ff53157'
    >>> disk_identity("port", "storage-1", "data", "lvm")
    '581408-4ad3-385e-599b-7ad1-e748-d03bb0'
    """
    found = uuid5(DISKS, f"{site}/{host}/{disk}/{layer}")
    if layer != "lvm":
        return str(found)
    digits = iter(found.hex)
    return "-".join("".join(next(digits) for _ in range(length)) for length in (6, 4, 4, 4, 4, 4, 6))


def disk_variables(site: Site, host: Host) -> list[dict[str, Any]]:
    """Return what a host is told of its data disks."""
    return [
        {
            "name": disk.name,
            "device": disk.device,
            "mount": disk.mount,
            "least_bytes": int(disk.least_gigabytes * 1e9),
            "layers": list(disk.layers),
            "identities": {layer: disk_identity(site.name, host.name, disk.name, layer) for layer in disk.layers},
            "encryption": disk.encryption,
            "unit": f"portolan-disk-{disk.name}.service",
            **({"tang": {"url": disk.tang_url, "thp": disk.tang_thumbprint}} if disk.tang_url else {}),
        }
        for disk in site.storage.disks
        if disk.host == host.name
    ]


def share_variables(site: Site) -> list[dict[str, Any]]:
    """Return every share of the site; the number tells them apart on the wire."""
    return [
        {
            "number": number,
            "name": share.name,
            "host": share.host,
            "path": share.path,
            "versions": sorted(share.versions),
            "clients": [str(one) for one in share.clients or site.host_ranges],
            "read_only": share.read_only,
            "squash": share.squash,
            "mounted_on": list(share.mounted_on),
            "mount": share.place,
            # As systemd names it; a place has no character that it would escape.
            "unit": share.place.strip("/").replace("/", "-") + ".mount",
        }
        for number, share in enumerate(site.storage.shares, start=1)
    ]


def part_variables(site: Site) -> dict[str, Any]:
    """Return the variables of the whole site; what it does not have is left out."""
    if not site.storage.shares:
        return {}
    return {"nfs_shares": share_variables(site), "nfs_server_kind": site.storage.nfs_server}


def host_part_variables(site: Site, host: Host) -> dict[str, Any]:
    """Return the variables of one host; what it does not have is left out."""
    disks = disk_variables(site, host)
    if not disks:
        return {}
    needs = {need for disk in disks for need in (*disk["layers"], disk["encryption"])}
    return {"data_disks": disks, "data_disk_packages": sorted(name for one in needs for name in PACKAGES.get(one, ()))}
