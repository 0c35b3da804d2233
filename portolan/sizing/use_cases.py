"""What the models beside risk scoring ask of the cluster: those that the site file names, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from portolan.sites.schema import Site
from portolan.sizing.plan import ServicePlan
from portolan.sizing.reasons import constant, decide, weigh

HOST_AVAILABILITY = 0.99
MEASURED = "prior: processor time of one request on one core of the reference machine, rounded up, and memory at rest"


@dataclass(frozen=True)
class UseCaseCost:
    """What one model costs: processor time a record, and memory a replica at rest."""

    seconds_per_record: float
    mebibytes: int
    training_mebibytes: int = 0


COSTS = {
    "hs-classification": UseCaseCost(0.040, 320, 512),
    "valuation": UseCaseCost(0.001, 160, 384),
    "xray-inspection": UseCaseCost(0.250, 384, 512),
    "declaration-router": UseCaseCost(0.005, 128),
    # 11 ms of processor time an answer without a language model, 200 MB in two processes
    "language-assistant": UseCaseCost(0.015, 384),
}
TRAINING_MILLICORES = 100


def plan_use_cases(site: Site) -> tuple[ServicePlan, ...]:
    """Return the services of the site's use cases, and their trainings, in the order of the site file."""
    found: list[ServicePlan] = []
    for name in site.use_cases:
        cost = COSTS[name]
        if cost.training_mebibytes:
            found.append(_training(f"{name}-training", cost))
        found.append(_assistant(site, name, cost) if name == "language-assistant" else _service(site, name, cost))
    return tuple(found)


def _training(name: str, cost: UseCaseCost) -> ServicePlan:
    return ServicePlan(
        name=name,
        replicas=decide("replicas", constant(f"{name}.replicas", 1, "one job, before the service")),
        cpu_millicores=decide("millicores", constant(f"{name}.millicores", TRAINING_MILLICORES, MEASURED)),
        memory_mebibytes=decide("MiB", constant(f"{name}.mebibytes", cost.training_mebibytes, MEASURED)),
    )


def _assistant(site: Site, name: str, cost: UseCaseCost) -> ServicePlan:
    """Return the language assistant: replicas for its load alone, for proposals and their log lie in one place."""
    load = site.workload
    arrivals = weigh(
        "language.arrivals",
        users=load.language_model_users,
        active=load.language_model_active_share,
        requests_per_hour=load.language_model_requests_per_hour,
    )
    millicores = weigh(
        "declarations.millicores",
        items=1.0,
        seconds_per_item=cost.seconds_per_record,
        latency_seconds=load.score_latency_seconds,
    )
    service_seconds = cost.seconds_per_record / (millicores.value / 1000)
    enough = weigh(
        "declarations.replicas",
        arrivals_per_second=arrivals.value,
        service_seconds=service_seconds,
        wait_seconds=load.score_latency_seconds - service_seconds,
    )
    one = constant(f"{name}.replicas", 1, "several share a volume that the site must have: see its chart")
    return ServicePlan(
        name=name,
        replicas=decide("replicas", enough, one),
        cpu_millicores=decide("millicores", millicores),
        memory_mebibytes=decide("MiB", constant(f"{name}.mebibytes", cost.mebibytes, MEASURED)),
    )


def _service(site: Site, name: str, cost: UseCaseCost) -> ServicePlan:
    load = site.workload
    scans = name == "xray-inspection"  # what arrives are scans with their views, not declarations with their items
    items = float(load.xray_views) if scans else load.items_per_declaration
    arrivals = weigh(
        "declarations.arrivals",
        declarations_per_day=load.xray_images_per_day if scans else load.declarations_per_day,
        peak_factor=load.peak_factor,
        hours=load.working_hours_per_day,
    )
    millicores = weigh(
        "declarations.millicores",
        items=items,
        seconds_per_item=cost.seconds_per_record,
        latency_seconds=load.score_latency_seconds,
    )
    service_seconds = items * cost.seconds_per_record / (millicores.value / 1000)
    enough = weigh(
        "declarations.replicas",
        arrivals_per_second=arrivals,
        service_seconds=service_seconds,
        wait_seconds=load.score_latency_seconds - service_seconds,
    )
    available = weigh(
        "availability.k_of_n",
        k=enough,
        availability=load.availability,
        host_availability=HOST_AVAILABILITY,
    )
    return ServicePlan(
        name=name,
        replicas=decide("replicas", available, enough),
        cpu_millicores=decide("millicores", millicores),
        memory_mebibytes=decide("MiB", constant(f"{name}.mebibytes", cost.mebibytes, MEASURED)),
    )
