"""Traffic between nodes, in and out of the site and to the other side; and parts on the shelf."""

from __future__ import annotations

import math
from collections.abc import Sequence

from portolan.sites.schema import Site, Topology
from portolan.sizing.compute import peak_arrivals
from portolan.sizing.network import BYTES_PER_REQUEST
from portolan.sizing.plan import (
    AcceleratorPlan,
    BackupPlan,
    NodePool,
    Quantity,
    SparesPlan,
    StoragePlan,
    TrafficPlan,
)
from portolan.sizing.reasons import decide, formula, weigh

# Planning assumptions: gradients of a detector or an adapter, once a second; a lost copy rebuilt in a day.
GRADIENT_BYTES, STEP_SECONDS, REBUILD_HOURS = 200e6, 1.0, 24.0
EGRESS_SHARE = 0.02  # of the object store, each month
SPARE_SHARE = 0.05
DISK_BYTES, COPIES, SUPPLIES_PER_SERVER, PORTS_PER_SERVER = 8e12, 3.0, 2.0, 2.0


@formula(
    "traffic.all-reduce",
    "8 * 2 * (n - 1) / n * gradient bytes / seconds",
    "ring all-reduce: each of n sends 2 (n - 1) / n of the gradients (Patarasuk and Yuan 2009)",
)
def all_reduce_bits(gpus: float, gradient_bytes: float, seconds: float) -> float:
    """Return the bits a second that each GPU sends while gradients are exchanged.

    >>> all_reduce_bits(4, 1e9, 1)
    12000000000.0
    """
    return 8 * 2 * (gpus - 1) / gpus * gradient_bytes / seconds if gpus > 1 else 0.0


@formula("traffic.rebuild", "8 * stored / nodes / (24 h)", "the copies of a lost node are made anew within a day")
def rebuild_bits(stored: float, nodes: float, hours: float) -> float:
    """Return the bits a second with which what a lost node held is copied again."""
    return 8 * stored / max(1.0, nodes) / (hours * 3600)


@formula("traffic.copies", "2 * ingest", "what arrives is copied to two more nodes")
def copy_bits(ingest: float) -> float:
    """Return the bits a second of the two further copies."""
    return 2 * ingest


@formula("traffic.away", "ingest * (1 - share on site)", "the part of the load that the cloud serves")
def away_bits(ingest: float, share_on_site: float) -> float:
    """Return the bits a second of ingest that leave the site."""
    return ingest * (1 - share_on_site)


@formula("traffic.egress", "object store * 2 %", "planning assumption: a fiftieth of the store leaves each month")
def egress_bytes(stored: float, share: float) -> float:
    """Return the bytes a month that a cloud bills as traffic out of it."""
    return stored * share


@formula("spares.count", "max(1, ceil(parts * 5 %))", "planning assumption: a twentieth on the shelf, one at least")
def spare_parts(parts: float, share: float) -> float:
    """Return the parts on the shelf; none where there is nothing to replace."""
    return float(max(1, math.ceil(parts * share))) if parts > 0 else 0.0


def plan_traffic(
    site: Site,
    pools: Sequence[NodePool],
    storage: StoragePlan,
    backup: BackupPlan,
    accelerators: AcceleratorPlan | None,
) -> TrafficPlan:
    """Return the traffic by direction, at the peak."""
    load = site.workload
    ingest = weigh(
        "network.ingest",
        arrivals_per_second=peak_arrivals(site),
        bytes_per_request=BYTES_PER_REQUEST,
        gigabytes_per_day=load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day,
        peak_factor=load.peak_factor,
        hours=load.working_hours_per_day,
    )
    nodes = sum(pool.count.value for pool in pools)
    stored = storage.object_store_bytes.value
    gpus = accelerators.training.value if accelerators is not None else 0.0
    share = load.share_on_site if site.topology is Topology.HYBRID and load.share_on_site is not None else 1.0
    outside = share if site.topology is not Topology.CLOUD else 0.0
    return TrafficPlan(
        east_west_bits_per_second=decide(
            "bits/s",
            weigh("traffic.all-reduce", gpus=gpus, gradient_bytes=GRADIENT_BYTES, seconds=STEP_SECONDS),
            weigh("traffic.rebuild", stored=storage.object_store_bytes, nodes=nodes, hours=REBUILD_HOURS),
            weigh("traffic.copies", ingest=ingest),
        ),
        north_south_bits_per_second=decide("bits/s", ingest),
        vpn_bits_per_second=decide(
            "bits/s",
            weigh("traffic.away", ingest=ingest, share_on_site=share),
            weigh("backup.link", kept=backup.stored_bytes.value / 1.5, hours=load.recovery_time_hours),
        ),
        egress_bytes_per_month=decide(
            "bytes", weigh("traffic.egress", stored=stored * (1 - outside), share=EGRESS_SHARE)
        ),
    )


def plan_spares(pools: Sequence[NodePool], storage: StoragePlan, owned: bool) -> SparesPlan:
    """Return the parts on the shelf; what is rented needs none."""
    nodes = sum(pool.count.value for pool in pools) if owned else 0.0
    raw = storage.object_store_bytes.value + storage.block_bytes.value + storage.network_file_system_bytes.value
    disks = math.ceil(raw * COPIES / DISK_BYTES) + nodes if owned else 0.0

    def spare(parts: float) -> Quantity:
        return decide("pieces", weigh("spares.count", parts=parts, share=SPARE_SHARE))

    return SparesPlan(
        disks=spare(disks),
        power_supplies=spare(nodes * SUPPLIES_PER_SERVER),
        network_ports=spare(nodes * PORTS_PER_SERVER),
    )
