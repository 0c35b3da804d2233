"""All checks by name; docs/reference/checks.md describes each."""

from __future__ import annotations

from portolan.conformity import (
    accelerators,
    cluster,
    disks,
    endpoints,
    exposure,
    hosts,
    links,
    platform,
    processor,
    storage,
)
from portolan.conformity.check import Check

ROOMS = (hosts, processor, disks, links, accelerators, storage, cluster, exposure, platform, endpoints)
CHECKS: dict[str, Check] = {check.name: check for room in ROOMS for check in room.CHECKS}
