"""All checks by name; docs/reference/checks.md describes each."""

from __future__ import annotations

from portolan.conformity import (
    accelerator_fabric,
    accelerators,
    behaviour,
    capacity,
    cluster,
    disks,
    endpoints,
    equipment,
    exposure,
    fabric,
    guards,
    hosts,
    links,
    platform,
    processor,
    residency,
    results,
    scheduling,
    storage,
)
from portolan.conformity.check import Check

ROOMS = (
    hosts, processor, equipment, disks, links, fabric, accelerators, accelerator_fabric, storage, exposure, guards,
    cluster, residency, behaviour, scheduling, platform, capacity, results, endpoints,
)  # fmt: skip
CHECKS: dict[str, Check] = {check.name: check for room in ROOMS for check in room.CHECKS}
