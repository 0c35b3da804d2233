"""What one host must give, in words that name no product."""

from __future__ import annotations

from portolan.report.language import Tongue
from portolan.sites.schema import Pool
from portolan.sizing.plan import NodePool, Plan


def group_name(family: str, name: str, tongue: Tongue) -> str:
    """Return the words for a group of hosts; an unknown name stays as it is."""
    key = f"{family}.{name}"
    return tongue.say(key) if key in tongue.words else name


def pool_specification(pool: NodePool, plan: Plan, tongue: Tongue) -> tuple[str, ...]:
    """Return the minima of one host of a pool."""
    lines = [
        tongue.say("specification.cores", value=tongue.number(float(pool.cpu_cores))),
        tongue.say("specification.memory", value=tongue.quantity(float(pool.memory_bytes), "bytes")),
        tongue.say(
            "specification.disk_room" if pool.pool is Pool.STORAGE else "specification.disk",
            value=tongue.quantity(float(pool.disk_bytes), "bytes"),
        ),
        tongue.say(
            "specification.link",
            value=tongue.quantity(float(plan.network.node_link_bits_per_second), "bits/s"),
        ),
    ]
    if float(pool.accelerators) and not pool.accelerators_simulated:
        lines.append(tongue.count("specification.accelerators", int(pool.accelerators)))
        capability = next(
            (target for target in plan.targets if target.check == "host.accelerator-compute-capability"), None
        )
        if capability is not None and isinstance(capability.value, float):
            lines.append(tongue.say("specification.capability", value=tongue.number(capability.value, 1)))
    lines.append(tongue.say("specification.system"))
    return tuple(lines)
