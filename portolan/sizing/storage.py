"""How much the site keeps, and for how long."""

from __future__ import annotations

import math

from portolan.requirements.schema import Requirement, Requirements
from portolan.sites.schema import Site, Topology
from portolan.sizing.plan import Reason, StoragePlan
from portolan.sizing.reasons import constant, decide, formula, required, weigh

GIGABYTE = 1e9
# One declaration with its items as CSV, and as many bytes again for features and predictions.
BYTES_PER_DECLARATION = 2_000
MODEL_VERSIONS, BYTES_PER_MODEL = 50, 20e6
SMALLEST_BUCKET_BYTES = 5e9
# What the volumes may be filled to before performance drops and rebuilds get tight.
FILL_CEILING = 0.80


@formula(
    "lake.usable",
    "GB/day * sum over years of (1 + growth)^year * days of that year, within the retention",
    "data kept for the retention, growing each year",
)
def lake_bytes(gigabytes_per_day: float, retention_days: float, growth: float) -> float:
    """Return the bytes kept at the end of the retention when each year brings `growth` more.

    >>> lake_bytes(1, 365, 0)
    365000000000.0
    """
    total, left, year = 0.0, retention_days, 0
    while left > 0:
        days = min(365.0, left)
        total += gigabytes_per_day * (1 + growth) ** year * days
        left -= days
        year += 1
    return total * GIGABYTE


@formula(
    "lake.kept",
    "lake(days) - lake(days - retention)",
    "what came in within the retention, after so many days of growth",
)
def kept_bytes(gigabytes_per_day: float, retention_days: float, growth: float, days: float) -> float:
    """Return the bytes kept after `days` of operation: what came in before the retention is deleted.

    >>> kept_bytes(1, 365, 1.0, 730)
    730000000000.0
    """
    return lake_bytes(gigabytes_per_day, days, growth) - lake_bytes(
        gigabytes_per_day, max(0.0, days - retention_days), growth
    )


@formula(
    "object-store.bytes",
    "(lake + training rows * 2 kB + 50 models * 20 MB) / 0.80",
    "the lake, the training set and fifty model versions, filled to 80 % at most",
)
def object_store_bytes(lake: float, training_declarations: float) -> float:
    """Return the size of the object store that the load needs."""
    kept = lake + training_declarations * BYTES_PER_DECLARATION + MODEL_VERSIONS * BYTES_PER_MODEL
    return math.ceil(kept / FILL_CEILING / GIGABYTE) * GIGABYTE


def plan_storage(site: Site, requirements: Requirements, enforce_minima: bool, year: int | None = None) -> StoragePlan:
    """Return the site's storage; hosts that are slices of one machine are not held to the report's capacities.

    It holds what is kept at the end of `year`; without it, what is kept when the retention is full for the first time.
    """
    load = site.workload
    daily = {
        "gigabytes_per_day": load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day,
        "retention_days": load.retention_days,
        "growth": load.growth_per_year,
    }
    lake = weigh("lake.usable", **daily) if year is None else weigh("lake.kept", **daily, days=365.0 * year)
    objects = [
        weigh("object-store.bytes", lake=lake, training_declarations=load.training_declarations),
        constant("object-store.smallest", SMALLEST_BUCKET_BYTES, "room for one upload beside what is kept"),
    ]
    block = [constant("block.system", 20e9, "databases of the platform's own services at rest, with reserve")]
    shared = [constant("nfs.none", 0.0, "no service of this plan mounts a shared file system yet")]
    if enforce_minima:
        rows = tuple(requirements.applying(site.tier, site.topology))
        objects += [_capacity(row_id, rows) for row_id in ("STO-9.6.6-02",)]
        if site.topology is not Topology.CLOUD:
            shared += [_capacity("STO-9.6.5-01", rows)]
        if site.topology is not Topology.ON_PREM:
            block += [_capacity("STO-9.6.6-03", rows)]
    return StoragePlan(
        object_store_bytes=decide("bytes", *objects),
        block_bytes=decide("bytes", *block),
        network_file_system_bytes=decide("bytes", *shared),
    )


def _capacity(row_id: str, rows: tuple[Requirement, ...]) -> Reason:
    row = next(row for row in rows if row.id == row_id)
    return required(row)
