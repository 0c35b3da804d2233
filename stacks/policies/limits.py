"""From the plan and the report to the limits that the rules hold a stack to."""

from __future__ import annotations

from collections.abc import Iterable

from portolan.cloud.cost import monthly_lines, monthly_total
from portolan.cloud.resources import Resource
from portolan.costing.book import load_catalogue
from portolan.requirements import load_requirements
from portolan.sizing.parts import CloudPlan
from stacks.policies.shapes import Limits

CORES, GPUS, GPU_MEMORY = "CPU-9.7.2-01", "GPU-9.7.2-01", "GPU-9.7.2-02"


def limits_of(plan: CloudPlan) -> Limits:
    """Return the report's minima, what the catalogue knows of instances, and the site's regions and budget."""
    catalogue = load_catalogue()
    requirements = load_requirements()
    instances = [one for one in catalogue.values() if one.kind == "instance"]

    def asked(identity: str) -> float:
        value = requirements.get(identity).value
        return float(value) if isinstance(value, int | float) else 0.0

    def cost(resources: Iterable[Resource]) -> float:
        return float(monthly_total(monthly_lines(resources, plan, catalogue)))

    return Limits(
        allowed_regions=plan.allowed_regions or (plan.region,),
        minimum_cores=asked(CORES),
        minimum_accelerators=int(asked(GPUS)),
        minimum_accelerator_gigabytes=asked(GPU_MEMORY),
        cores={one.id: one.facts["cores"] for one in instances},
        accelerators={one.id: int(one.facts["accelerators"]) for one in instances},
        accelerator_gigabytes={
            one.id: one.facts["accelerators"] * catalogue[one.labels["accelerator"]].facts["memory_gigabytes"]
            for one in instances
            if one.labels["accelerator"]
        },
        monthly_ceiling=plan.monthly_budget_dollars,
        monthly_cost=cost,
    )
