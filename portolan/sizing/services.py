"""What each service of the platform asks of the cluster."""

from __future__ import annotations

import math

from portolan.requirements.schema import Requirements
from portolan.sites.schema import Site, Tier
from portolan.sizing import compute
from portolan.sizing.plan import Quantity, ServicePlan
from portolan.sizing.reasons import constant, decide, formula, required, weigh
from portolan.sizing.use_cases import plan_use_cases

HOST_AVAILABILITY = 0.99

CHARTS = "limits in upstream's own manifest (KServe 0.20: 100m, 300Mi; KubeRay 1.6: 100m, 512Mi)"
METRICS = "requests in upstream's own chart (metrics-server 0.9: 100m, 200Mi), memory for some hundred pods"
WORKING_SET = "assumed working set; `portolan sandbox list` and benchmarks/provisioning measure the real one"

# Training data in memory: columns after feature building, bytes a number, and the copies that reading, encoding and
# binning hold at once.
FEATURE_COLUMNS, BYTES_PER_NUMBER, COPIES = 96, 8, 6
RAY_WORKER_MEBIBYTES = 896
# Time to train: building the features of a row, and a histogram entry of each column and tree.
SECONDS_PER_ROW, SECONDS_PER_CELL_AND_TREE, TREES = 50e-6, 2e-9, 500
TRAINING_SECONDS, TRAINING_MILLICORES_SMALLEST = 3600, 100


@formula(
    "training.memory",
    "ceil to 64 of base + rows * columns * 8 B * copies / workers",
    "columns and copies of the kit's own feature code; base is a Ray worker at rest with pandas and LightGBM loaded",
)
def training_mebibytes(rows: float, columns: float, copies: float, workers: float, base: float) -> float:
    """Return the memory of one training worker, in MiB."""
    data = rows * columns * BYTES_PER_NUMBER * copies / workers / 2**20
    return float(math.ceil((base + data) / 64) * 64)


@formula(
    "training.millicores",
    "ceil to 50 of 1000 * rows * (50 us + columns * trees * 2 ns) / (3600 s * workers), from 100",
    "features and histograms in an hour; both rates are priors, until the kit's training benchmark gives its own",
)
def training_millicores(rows: float, columns: float, trees: float, workers: float) -> float:
    """Return what one training worker asks for so that a training ends in its hour."""
    core_seconds = rows * (SECONDS_PER_ROW + columns * trees * SECONDS_PER_CELL_AND_TREE)
    wanted = 1000 * core_seconds / (TRAINING_SECONDS * workers)
    return float(max(TRAINING_MILLICORES_SMALLEST, math.ceil(wanted / 50) * 50))


def plan_services(site: Site, requirements: Requirements) -> tuple[ServicePlan, ...]:
    """Return the services in the order in which they are put on the cluster."""
    production = site.tier is Tier.PRODUCTION
    workers = _training_workers(requirements)
    return (
        _fixed("object-store", 1, 100, 256, WORKING_SET),
        _fixed("kserve-controller", 2 if production else 1, 100, 300, CHARTS),
        _fixed("kuberay-operator", 2 if production else 1, 100, 512, CHARTS),
        _fixed("metrics-server", 1, 100, 128, METRICS),
        _fixed("risk-training-head", 1, 100, 1280, WORKING_SET),
        _training(site, workers),
        _scoring(site),
        *plan_use_cases(site),
    )


def _fixed(name: str, replicas: int, millicores: int, mebibytes: int, source: str) -> ServicePlan:
    why = "one replica: the cluster starts it again by itself, a second adds nothing"
    if replicas > 1:
        why = "production tier: a standby that takes over by leader election"
    return ServicePlan(
        name=name,
        replicas=decide("replicas", constant(f"{name}.replicas", replicas, why)),
        cpu_millicores=decide("millicores", constant(f"{name}.millicores", millicores, source)),
        memory_mebibytes=decide("MiB", constant(f"{name}.mebibytes", mebibytes, source)),
    )


def _training_workers(requirements: Requirements) -> Quantity:
    row = requirements.get("TRN-9.4.3-01")
    return decide("replicas", required(row))


def _training(site: Site, workers: Quantity) -> ServicePlan:
    return ServicePlan(
        name="risk-training-worker",
        replicas=workers,
        cpu_millicores=decide(
            "millicores",
            weigh(
                "training.millicores",
                rows=site.workload.training_declarations,
                columns=FEATURE_COLUMNS,
                trees=TREES,
                workers=float(workers),
            ),
        ),
        memory_mebibytes=decide(
            "MiB",
            weigh(
                "training.memory",
                rows=site.workload.training_declarations,
                columns=FEATURE_COLUMNS,
                copies=COPIES,
                workers=float(workers),
                base=RAY_WORKER_MEBIBYTES,
            ),
        ),
    )


def _scoring(site: Site) -> ServicePlan:
    load = site.workload
    millicores = weigh(
        "declarations.millicores",
        items=load.items_per_declaration,
        seconds_per_item=compute.SECONDS_PER_ITEM,
        latency_seconds=load.score_latency_seconds,
    )
    service_seconds = load.items_per_declaration * compute.SECONDS_PER_ITEM / (millicores.value / 1000)
    enough = weigh(
        "declarations.replicas",
        arrivals_per_second=compute.peak_arrivals(site),
        service_seconds=service_seconds,
        wait_seconds=load.score_latency_seconds - service_seconds,
    )
    available = weigh(
        "availability.k_of_n",
        k=enough,
        availability=load.availability,
        host_availability=HOST_AVAILABILITY,
    )
    # LB-9.5.7-02 gives no number; its reading, one spare, is the formula.
    spare = weigh("availability.spare", k=enough).model_copy(update={"requirement": "LB-9.5.7-02"})
    return ServicePlan(
        name="risk-scoring",
        replicas=decide("replicas", spare, available, enough),
        cpu_millicores=decide("millicores", millicores),
        memory_mebibytes=decide("MiB", constant("risk-scoring.mebibytes", 384, WORKING_SET)),
    )
