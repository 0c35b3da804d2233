"""What holds for every plan, whatever the site."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from portolan.requirements import Requirements
from portolan.requirements.units import in_base_units
from portolan.sizing.engine import size
from portolan.sizing.explanation import quantities
from portolan.sizing.plan import Plan

WORKLOADS = st.fixed_dictionaries(
    {
        "declarations_per_day": st.integers(0, 5_000_000),
        "items_per_declaration": st.floats(0.1, 200),
        "working_hours_per_day": st.floats(1, 24),
        "peak_factor": st.floats(1, 10),
        "score_latency_seconds": st.floats(0.05, 30),
        "training_declarations": st.integers(1, 100_000_000),
        "structured_gigabytes_per_day": st.floats(0, 1000),
        "retention_days": st.integers(1, 7300),
        "growth_per_year": st.floats(0, 1),
        "availability": st.floats(0.5, 0.9999),
    }
)
TIERS = st.sampled_from(["starter", "production"])


def cores(plan: Plan) -> float:
    return sum(float(pool.count) * float(pool.cpu_cores) for pool in plan.pools)


@settings(max_examples=60, deadline=None)
@given(workload=WORKLOADS, more=st.integers(0, 5_000_000), tier=TIERS, workers=st.integers(1, 9))
def test_more_declarations_never_need_less(
    workload: dict[str, Any], more: int, tier: str, workers: int, site_of: Any, requirements: Requirements
) -> None:
    fewer = size(site_of(tier, workers, **workload), requirements)
    grown = {**workload, "declarations_per_day": workload["declarations_per_day"] + more}
    larger = size(site_of(tier, workers, **grown), requirements)

    assert int(larger.service("risk-scoring").replicas) >= int(fewer.service("risk-scoring").replicas)
    assert cores(larger) >= cores(fewer)
    for (path, before), (_, after) in zip(quantities(fewer), quantities(larger), strict=True):
        # It is the busiest node's: where the load needs more nodes, each has less to rebuild.
        if path != "traffic.east_west_bits_per_second":
            assert after.value >= before.value, path


@settings(max_examples=60, deadline=None)
@given(workload=WORKLOADS, tier=TIERS, gpus=st.integers(0, 2))
def test_a_plan_is_read_back_as_it_was_written(
    workload: dict[str, Any], tier: str, gpus: int, site_of: Any, requirements: Requirements
) -> None:
    plan = size(site_of(tier, gpus=gpus, **workload), requirements)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@settings(max_examples=60, deadline=None)
@given(workload=WORKLOADS, tier=TIERS, gpus=st.integers(0, 3))
def test_a_plan_for_real_hosts_meets_every_minimum_that_it_will_be_held_to(
    workload: dict[str, Any], tier: str, gpus: int, site_of: Any, requirements: Requirements
) -> None:
    plan = size(site_of(tier, gpus=gpus, **workload), requirements)
    pools = {host.name: next(pool for pool in plan.pools if pool.name == host.node_pool) for host in plan.hosts}
    fields = {
        "host.cpu-cores": "cpu_cores",
        "host.memory-bytes": "memory_bytes",
        "host.disk-bytes": "disk_bytes",
        "host.accelerators": "accelerators",
    }
    held_to = 0
    for target in plan.targets:
        row = requirements.get(target.requirement)
        if isinstance(row.value, float) and target.check not in ("cluster.nodes-ready", "platform.training-succeeded"):
            assert (target.value, target.unit) == in_base_units(row.value, row.unit)
        if target.check in fields:
            pool = pools[target.subject.removeprefix("host/")]
            assert float(getattr(pool, fields[target.check])) >= float(target.value), target.id
            held_to += 1
        elif target.check == "host.link-speed":
            assert float(plan.network.node_link_bits_per_second) >= float(target.value), target.id
            held_to += 1
        assert not target.simulated
    assert held_to >= 10


@settings(max_examples=60, deadline=None)
@given(workload=WORKLOADS, tier=TIERS, workers=st.integers(2, 9))
def test_the_nodes_left_after_a_loss_carry_all_services(
    workload: dict[str, Any], tier: str, workers: int, site_of: Any, requirements: Requirements
) -> None:
    plan = size(site_of(tier, workers, **workload), requirements)
    pool = next(pool for pool in plan.pools if pool.name == "cpu")
    asked = sum(int(service.replicas) * int(service.cpu_millicores) for service in plan.services) / 1000
    if float(pool.cpu_cores) < 128:
        assert (int(pool.count) - 1) * float(pool.cpu_cores) >= asked


@settings(max_examples=60, deadline=None)
@given(workload=WORKLOADS, tier=TIERS)
def test_every_number_names_the_largest_of_its_reasons(
    workload: dict[str, Any], tier: str, site_of: Any, requirements: Requirements
) -> None:
    ids = {row.id for row in requirements.rows}
    for path, quantity in quantities(size(site_of(tier, gpus=1, **workload), requirements)):
        assert quantity.value == max(reason.value for reason in quantity.reasons), path
        winner = quantity.reasons[0]
        assert quantity.binding in (winner.requirement, winner.formula), path
        for reason in quantity.reasons:
            assert reason.requirement in ids or reason.formula, path
            assert reason.source, path
