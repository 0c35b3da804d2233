"""GPUs, servers and instances from the catalogue: the cheapest that carry the load and meet the report's minima."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from portolan.costing.shapes import CatalogueItem
from portolan.errors import PortolanError
from portolan.requirements.schema import Requirements
from portolan.requirements.units import in_base_units
from portolan.sites.schema import HostRole, Pool, Site
from portolan.sizing.choice import Candidate, cheapest
from portolan.sizing.demand import accelerator_plan
from portolan.sizing.parts import (
    AcceleratorPlan,
    CloudPlan,
    CloudPool,
    FacilityPlan,
    HardwareItem,
    Purpose,
)
from portolan.sizing.plan import NodePool, Quantity, StoragePlan
from portolan.sizing.reasons import constant, decide, formula, required, weigh

Catalogue = Mapping[str, CatalogueItem]
GIBIBYTE = 2**30
NODE_FILL = 0.80
RACK_UNITS, RACK_WATTS = 42, 10_000
LOAD_SHARE, EFFECTIVENESS, GRID_GRAMS = 0.6, 1.54, 450.0


class Need(NamedTuple):
    """What the nodes of a cloud must carry together."""

    cores: float
    memory_bytes: float
    share: float  # of the whole load


@formula(
    "facility.energy",
    "kW * 0.6 * PUE * 8,760",
    "PUE 1.54 and a load of 60 % are planning assumptions",
)
def energy(watts: float, effectiveness: float) -> float:
    """Return the kilowatt-hours of a year."""
    return watts / 1000 * LOAD_SHARE * effectiveness * 8760


@formula("facility.racks", "max(ceil(units / 42), ceil(W / 10,000))", "a rack of 42 units that is cooled to 10 kW")
def racks(units: float, watts: float) -> float:
    """Return the racks that hold and cool the equipment."""
    return float(max(math.ceil(units / RACK_UNITS), math.ceil(watts / RACK_WATTS)))


def failings(gpu: CatalogueItem, requirements: Requirements) -> list[str]:
    """Return the report's lines that a GPU fails, as `id (limit)`."""
    facts = {
        "GPU-9.6.3-01": "cuda_cores",
        "GPU-9.6.3-02": "memory_gigabytes",
        "GPU-9.6.3-03": "compute_capability",
        "GPU-9.6.3-04": "bandwidth",
    }
    failed = []
    for identity, fact in facts.items():
        limit = requirements.get(identity).value
        if isinstance(limit, float) and gpu.facts[fact] < limit:
            failed.append(f"{identity} (at least {limit:g})")
    return failed


def gpus_for(site: Site, gpu: CatalogueItem) -> AcceleratorPlan:
    """Return the GPUs of one model that the site's load needs."""
    return accelerator_plan(site, gpu.id, gpu.facts["teraflops"], gpu.facts["memory_gigabytes"] * 1e9)


def cheapest_gpu(site: Site, catalogue: Catalogue, requirements: Requirements) -> AcceleratorPlan | None:
    """Return the GPUs to buy: those that meet the report's lines, at the least price for the load."""
    found = [
        (float(item.price.likely) * max(1.0, plan.total.value), item.id, plan)
        for item in catalogue.values()
        if item.kind == "gpu" and item.price is not None and not failings(item, requirements)
        for plan in [gpus_for(site, item)]
    ]
    return min(found, key=lambda entry: entry[:2])[2] if found else None


def floor_of(site: Site, requirements: Requirements, check: str) -> float:
    """Return the report's largest minimum of a check for this site's workers."""
    limits = [
        in_base_units(row.value, row.unit)[0]
        for row in requirements.applying(site.tier, site.topology)
        if check in row.checks and row.level == "must" and isinstance(row.value, float)
    ]
    return max(limits, default=0.0)


def cloud_plan(
    site: Site, need: Need, storage: StoragePlan, catalogue: Catalogue, requirements: Requirements
) -> tuple[CloudPlan, list[str]]:
    """Return the rented part of the site, and the needs that no instance meets.

    Raises PortolanError where the site names an instance type that the catalogue does not know.
    """
    cloud = site.cloud
    if cloud is None:
        raise ValueError("the site has no cloud")
    offered = [
        item for item in catalogue.values() if item.kind == "instance" and item.labels["provider"] == cloud.provider
    ]
    unmet: list[str] = []
    cores, memory = (floor_of(site, requirements, check) for check in ("host.cpu-cores", "host.memory-bytes"))
    disk = max(100e9, floor_of(site, requirements, "host.disk-bytes"))
    gpus_each = max(floor_of(site, requirements, check) for check in ("host.accelerators", "cluster.gpus-per-node"))
    gpu_memory = required(requirements.get("GPU-9.7.2-02")).value  # over all GPUs of an instance

    def pool(
        name: str, purpose: Purpose, named: str | None, gpu_demand: str, spare: int, least: int
    ) -> CloudPool | None:
        wants_gpu = bool(gpu_demand)
        candidates = []
        for item in _named(offered, named, f"cloud.instances.{name}"):
            facts = item.facts
            has_gpu = facts["accelerators"] > 0
            if item.price is None or has_gpu != wants_gpu:
                continue
            if named is None and (facts["cores"] < cores or facts["memory_gibibytes"] * GIBIBYTE < memory):
                continue
            gives = {"cores": facts["cores"] * NODE_FILL, "memory": facts["memory_gibibytes"] * GIBIBYTE * NODE_FILL}
            if wants_gpu:
                gpu = catalogue[item.labels["accelerator"]]
                failed = failings(gpu, requirements)
                enough = facts["accelerators"] * gpu.facts["memory_gigabytes"] * 1e9 >= gpu_memory
                if named is None and (failed or not enough or facts["accelerators"] < gpus_each):
                    continue
                if failed:
                    unmet.append(f"{named} carries {gpu.name.en}, which fails {', '.join(failed)}")
                plan = gpus_for(site, gpu)
                asked = plan.training.value if gpu_demand == "training" else plan.xray.value + plan.language_model.value
                # What one instance carries of the pool's whole demand, which is 1.
                gives["gpu"] = facts["accelerators"] / (asked * need.share)
            candidates.append(Candidate(item.id, float(item.price.likely), gives))
        demand = {"gpu": 1.0} if wants_gpu else {"cores": need.cores, "memory": need.memory_bytes}
        found = cheapest(candidates, demand, least=least, spare=spare)
        if found is None:
            unmet.append(f"no {cloud.provider} instance of the catalogue meets the need of pool {name}")
            return None
        chosen, count = catalogue[found[0]], found[1]
        asked_for: dict[str, float | Quantity] = (
            {"gpus": gpus_for(site, catalogue[chosen.labels["accelerator"]]).total, "share": need.share}
            if wants_gpu
            else {"cores": need.cores, "memory_bytes": need.memory_bytes}
        )
        interruptible = name == "training" and cloud.interruptible_training
        reserved = cloud.reserved_years > 0 and name != "training"
        return CloudPool(
            pool=name,
            purpose=purpose,
            instance=chosen.id,
            count=decide(
                "nodes", constant("choice.cheapest", float(count), "the cheapest that carries the load", **asked_for)
            ),
            least=0 if name == "training" else count,
            most=count if name == "training" else count * 2,
            purchase="interruptible" if interruptible else "reserved" if reserved else "on-demand",
            disk_bytes=decide(
                "bytes", constant("cloud.node-disk", disk, "the report's minimum, or 100 GB for the system")
            ),
            cpu_cores=chosen.facts["cores"],
            memory_bytes=chosen.facts["memory_gibibytes"] * GIBIBYTE,
            accelerators=int(chosen.facts["accelerators"]),
            accelerator=chosen.labels["accelerator"],
            hours_per_month=_hours_of_training(site) if name == "training" else 730.0,
        )

    names = cloud.instances
    pools = [pool("cpu", "cpu", names.cpu, "", 1, max(2, len(cloud.zones)))]
    if names.system:
        pools.insert(0, pool("system", "system", names.system, "", 0, 2))
    sample = gpus_for(site, catalogue["l4"])
    if sample.xray.value + sample.language_model.value:
        pools.append(pool("gpu", "gpu", names.gpu, "serving", 0, 1))
    if sample.training.value:
        pools.append(pool("training", "training", names.training, "training", 0, 1))
    traffic = storage.object_store_bytes.value * 0.02
    plan = CloudPlan(
        provider=cloud.provider,
        region=cloud.region,
        zones=cloud.zones,
        pools=tuple(one for one in pools if one is not None),
        object_store_bytes=storage.object_store_bytes,
        block_bytes=storage.block_bytes,
        shared_bytes=storage.network_file_system_bytes,
        egress_bytes_per_month=decide(
            "bytes", constant("cloud.egress", traffic, "assumption: 2 % of the store a month")
        ),
        addresses=cloud.addresses,
        allowed_regions=cloud.allowed_regions or (cloud.region,),
        cost_centre=cloud.cost_centre,
        monthly_budget_dollars=None if cloud.monthly_budget is None else cloud.monthly_budget / site.finance.exchange,
        alarm_addresses=cloud.alarm_addresses,
        reserved_years=cloud.reserved_years,
    )
    return plan, unmet


def _named(offered: Sequence[CatalogueItem], name: str | None, key: str) -> list[CatalogueItem]:
    if name is None:
        return list(offered)
    chosen = [item for item in offered if item.id == name]
    if not chosen:
        known = ", ".join(item.id for item in offered)
        raise PortolanError(key, f"the catalogue has no instance type '{name}'", f"give one of {known}")
    return chosen


def _hours_of_training(site: Site) -> float:
    hours = sum(job.runs_per_month * job.hours_per_run for job in site.workload.training_jobs if job.kind != "trees")
    return min(730.0, hours)


def rented_pools(plan: CloudPlan) -> tuple[NodePool, ...]:
    """Return the cloud's pools as node pools."""
    source = f"{plan.provider} instance type"
    return tuple(
        NodePool(
            name=pool.pool,
            role=HostRole.WORKER,
            pool=Pool.GPU if pool.accelerators else Pool.CPU,
            count=pool.count,
            cpu_cores=decide("cores", constant(pool.instance, pool.cpu_cores, source)),
            memory_bytes=decide("bytes", constant(pool.instance, pool.memory_bytes, source)),
            disk_bytes=pool.disk_bytes,
            accelerators=decide("GPU", constant(pool.instance, float(pool.accelerators), source)),
        )
        for pool in plan.pools
    )


def bought(pools: Sequence[NodePool], model: str, catalogue: Catalogue) -> tuple[list[HardwareItem], list[str]]:
    """Return the servers and GPUs of on-site pools, and the pools that no server of the catalogue meets."""
    items, unmet = [], []
    for pool in pools:
        purpose: Purpose = "control-plane" if pool.role is HostRole.CONTROL_PLANE else pool.pool.value
        candidates = [
            Candidate(item.id, float(item.price.likely))
            for item in catalogue.values()
            if item.kind == "server"
            and item.price is not None
            and item.facts["cores"] >= pool.cpu_cores.value
            and item.facts["memory_gibibytes"] * GIBIBYTE >= pool.memory_bytes.value
            and item.facts["gpu_slots"] >= pool.accelerators.value
        ]
        found = cheapest(candidates, {}, least=max(1, int(pool.count)))
        if found is None:
            unmet.append(f"no server of the catalogue meets one node of pool {pool.name}")
            continue
        name = catalogue[found[0]].name.en
        items.append(HardwareItem(purpose=purpose, item=found[0], name=name, count=pool.count))
        gpus = pool.count.value * pool.accelerators.value
        if gpus:
            count = decide("GPU", weigh("demand.product", first=pool.count, second=pool.accelerators))
            items.append(HardwareItem(purpose="gpu", item=model, name=catalogue[model].name.en, count=count))
    nodes = sum(pool.count.value for pool in pools)
    switches = decide(
        "switches", constant("network.switches", max(2.0, math.ceil(nodes / 44) * 2), "two, each serves all")
    )
    items.append(HardwareItem(purpose="switch", item="switch-48", name=catalogue["switch-48"].name.en, count=switches))
    return items, unmet


def facility(site: Site, items: Sequence[HardwareItem], catalogue: Catalogue) -> FacilityPlan:
    """Return power, racks and carbon of the equipment; a switch takes 200 W and one unit."""
    watts, units = 0.0, 0.0
    numbers: dict[str, Quantity] = {}
    for item in items:
        facts = catalogue[item.item].facts
        numbers[f"{item.purpose}.{item.item}"] = item.count
        watts += item.count.value * facts.get("watts", 200.0)
        units += item.count.value * (facts.get("rack_units", 1.0) if catalogue[item.item].kind != "gpu" else 0.0)
    finance = site.finance
    effectiveness = finance.power_usage_effectiveness or EFFECTIVENESS
    grams = GRID_GRAMS if finance.carbon_grams_per_kilowatt_hour is None else finance.carbon_grams_per_kilowatt_hour
    power = constant("facility.power", watts, "sum of the equipment's power", **numbers)
    height = constant("facility.units", units, "sum of the equipment's heights", **numbers)
    used = decide("kWh", weigh("facility.energy", watts=power, effectiveness=effectiveness))
    return FacilityPlan(
        power_watts=decide("W", power),
        energy_kilowatt_hours_per_year=used,
        racks=decide("racks", weigh("facility.racks", units=height, watts=power)),
        rack_units=decide("U", height),
        carbon_kilograms_per_year=decide("kg", weigh("demand.product", first=used, second=grams / 1000)),
    )
