"""How many accelerators each node of a pool carries."""

from __future__ import annotations

import math

from portolan.requirements.schema import Requirements
from portolan.sites.schema import Host, Pool, Site
from portolan.sizing.plan import Quantity, Reason
from portolan.sizing.reasons import constant, decide, formula, required, weigh


@formula("accelerators.per-node", "ceil(GPUs / nodes)", "the GPUs that the load needs, over the nodes of the pool")
def share_of_node(gpus: float, nodes: float) -> float:
    """Return the GPUs of each node."""
    return float(math.ceil(gpus / nodes))


def per_node(
    site: Site, pool: Pool, hosts: tuple[Host, ...], requirements: Requirements, gpus: float = 0.0
) -> Quantity:
    """Return the accelerators of each node: the report's minimum in a GPU pool, none elsewhere.

    A sandbox's nodes carry what the site simulates, no more: there is nothing to buy.
    """
    simulated = [sum(host.simulated_accelerators.values()) for host in hosts]
    if site.hosts.provider == "sandbox":
        fewest = float(min(simulated, default=0))
        return decide("GPU", constant("site.simulated_accelerators", fewest, "the site file: simulated, no hardware"))
    reasons: list[Reason] = [constant("risk-scoring.accelerators", 0.0, "boosted trees score on the CPU")]
    if pool is Pool.GPU:
        reasons.append(weigh("accelerators.per-node", gpus=gpus, nodes=float(len(hosts))))
        reasons += [
            required(row)
            for row in requirements.applying(site.tier, site.topology)
            if "host.accelerators" in row.checks and row.level == "must"
        ]
    return decide("GPU", *reasons)
