"""The link that each node needs."""

from __future__ import annotations

from portolan.requirements.schema import Requirements
from portolan.sites.schema import Site
from portolan.sizing.compute import peak_arrivals
from portolan.sizing.plan import NetworkPlan, Reason
from portolan.sizing.reasons import decide, formula, required, weigh

# One request with its answer and reasons, as JSON over HTTP.
BYTES_PER_REQUEST = 10_000
# A node that comes back must hold the largest image of the platform within this time.
IMAGE_BYTES, IMAGE_SECONDS = 800e6, 60


@formula(
    "network.ingest",
    "8 * (requests/s * 10 kB + GB/day * P / (hours * 3600))",
    "scoring traffic and ingest at the peak, over one link",
)
def ingest_bits_per_second(
    arrivals_per_second: float, bytes_per_request: float, gigabytes_per_day: float, peak_factor: float, hours: float
) -> float:
    """Return the bits a second that arrive at the peak."""
    stored = gigabytes_per_day * 1e9 * peak_factor / (hours * 3600)
    return 8 * (arrivals_per_second * bytes_per_request + stored)


@formula("network.image", "8 * bytes / seconds", "a replaced node is back in service one minute after it can pull")
def image_bits_per_second(image_bytes: float, seconds: float) -> float:
    """Return the bits a second with which an image arrives in time."""
    return 8 * image_bytes / seconds


def plan_network(site: Site, requirements: Requirements, enforce_minima: bool) -> NetworkPlan:
    """Return the address ranges, and the speed of a node's link."""
    load = site.workload
    reasons: list[Reason] = [
        weigh(
            "network.ingest",
            arrivals_per_second=peak_arrivals(site).value,
            bytes_per_request=BYTES_PER_REQUEST,
            gigabytes_per_day=load.structured_gigabytes_per_day + load.unstructured_gigabytes_per_day,
            peak_factor=load.peak_factor,
            hours=load.working_hours_per_day,
        ),
        weigh("network.image", image_bytes=IMAGE_BYTES, seconds=IMAGE_SECONDS),
    ]
    if enforce_minima:
        reasons += [
            required(row)
            for row in requirements.applying(site.tier, site.topology)
            if "host.link-speed" in row.checks and row.level == "must"
        ]
    return NetworkPlan(ranges=site.network, node_link_bits_per_second=decide("bits/s", *reasons))
