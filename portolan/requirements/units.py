"""The report's units, and the base units that checks measure in.

Prefixes are decimal, as on the label of a disk. For memory this is also the reading that a host can meet: 32 GB of
modules are 32 GiB, less what firmware keeps, which is above 32e9 bytes.

In "Ethernet 10/40/100 Go/s" the report's "Go/s" can only be gigabits, for those are the speeds of Ethernet; `Gbit/s` is
what the rows of links say. `GB/s` and `MB/s` stay bytes where the report speaks of memory and of disks.
"""

from __future__ import annotations

UNITS: dict[str, tuple[float, str]] = {
    "cores": (1, "cores"),
    "vCPU": (1, "cores"),
    "GPU": (1, "GPU"),
    "GPU per node": (1, "GPU"),
    "nodes": (1, "nodes"),
    "CUDA cores": (1, "CUDA cores"),
    "compute capability": (1, "compute capability"),
    "MB": (1e6, "bytes"),
    "GB": (1e9, "bytes"),
    "TB": (1e12, "bytes"),
    "MB/s": (1e6, "bytes/s"),
    "GB/s": (1e9, "bytes/s"),
    "Gbit/s": (1e9, "bits/s"),
    "MT/s": (1e6, "transfers/s"),
    "NFS version": (1, "NFS version"),
    "version": (1, "version"),
    "GB/day": (1e9, "bytes/day"),
    "TB/year": (1e12, "bytes/year"),
    "seconds": (1, "seconds"),
    # Costs stay in the report's own currency and period: prices are not converted here.
    "USD": (1, "USD"),
    "USD/year": (1, "USD/year"),
    "USD/month": (1, "USD/month"),
    "USD/user/month": (1, "USD/user/month"),
    "USD/user/year": (1, "USD/user/year"),
    "USD/GB/month": (1, "USD/GB/month"),
    "USD/cluster/year": (1, "USD/cluster/year"),
    "USD/server": (1, "USD/server"),
    "USD/GPU": (1, "USD/GPU"),
    "USD/configuration": (1, "USD/configuration"),
    "USD/installation": (1, "USD/installation"),
}


def in_base_units(value: float, unit: str) -> tuple[float, str]:
    """Return the value in the unit that checks measure in.

    >>> in_base_units(16, "GB")
    (16000000000.0, 'bytes')

    Raises KeyError for a unit that no row may use.
    """
    factor, base = UNITS[unit]
    return value * factor, base
