"""The example sites: each loads and sizes, and what its plan says."""

from __future__ import annotations

from pathlib import Path

import pytest

from portolan.conformity.registry import CHECKS
from portolan.costing.book import load_catalogue
from portolan.paths import REPOSITORY
from portolan.requirements import Requirements
from portolan.sites import load_site
from portolan.sizing.engine import site_digest, size
from portolan.sizing.plan import Plan

EXAMPLES = sorted((REPOSITORY / "sites").glob("*.yaml"))
SERVICES = {
    "risk-scoring",
    "risk-training-head",
    "risk-training-worker",
    "object-store",
    "kserve-controller",
    "kuberay-operator",
    "metrics-server",
}


def plan_of(name: str, examples: Path, requirements: Requirements) -> Plan:
    return size(load_site(examples / f"{name}.yaml"), requirements)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_loads_and_sizes_to_all_services(path: Path, requirements: Requirements) -> None:
    site = load_site(path)
    plan = size(site, requirements)
    assert site.name == path.stem
    assert {service.name for service in plan.services} == SERVICES
    assert len({target.id for target in plan.targets}) == len(plan.targets)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_same_site_gives_the_same_bytes(path: Path, requirements: Requirements) -> None:
    first, second = (size(load_site(path), requirements).model_dump_json() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_target_is_measured_by_a_check_in_the_same_unit(path: Path, requirements: Requirements) -> None:
    checks = {check.name: check for check in (CHECKS.values() if isinstance(CHECKS, dict) else CHECKS)}
    for target in size(load_site(path), requirements).targets:
        check = checks[target.check]
        if target.operator != "present":
            assert check.unit == target.unit, target.id
            assert target.statistic in check.statistics, target.id


def test_comments_and_the_order_of_keys_do_not_change_the_digest(tmp_path: Path, examples: Path) -> None:
    text = (examples / "sandbox.yaml").read_text(encoding="utf-8")
    other = tmp_path / "sandbox.yaml"
    other.write_text("# another comment\n" + text.replace("tier: starter\n", "") + "tier: starter\n", encoding="utf-8")
    assert site_digest(load_site(other)) == site_digest(load_site(examples / "sandbox.yaml"))


def test_the_sandbox_fits_a_small_machine(examples: Path, requirements: Requirements) -> None:
    services = plan_of("sandbox", examples, requirements).services
    assert sum(int(service.replicas) * int(service.cpu_millicores) for service in services) <= 1500
    assert sum(int(service.replicas) * int(service.memory_mebibytes) for service in services) <= 8 * 1024


def test_sandbox_hardware_is_a_target_that_is_marked_simulated(examples: Path, requirements: Requirements) -> None:
    plan = plan_of("sandbox", examples, requirements)
    simulated = {target.check for target in plan.targets if target.simulated}
    assert simulated == {
        "host.cpu-cores",
        "host.memory-bytes",
        "host.disk-bytes",
        "host.accelerators",
        "host.accelerator-compute-capability",
        "host.link-speed",
        "cluster.gpus-per-node",
    }
    assert any("slices of one machine" in warning for warning in plan.warnings)


def test_simulated_accelerators_are_labelled_as_such(examples: Path, requirements: Requirements) -> None:
    plan = plan_of("sandbox", examples, requirements)
    host = next(host for host in plan.hosts if host.simulated_accelerators)
    assert host.labels["portolan.dev/accelerator"] == "simulated"
    assert [pool.name for pool in plan.pools if pool.accelerators_simulated] == ["gpu"]


def test_a_starter_site_is_planned_with_the_reports_starter_figures(examples: Path, requirements: Requirements) -> None:
    pool = next(pool for pool in plan_of("onprem-starter", examples, requirements).pools if pool.name == "cpu")
    assert (pool.cpu_cores.value, pool.cpu_cores.binding) == (8, "CPU-9.6.1-03")
    assert (pool.memory_bytes.value, pool.memory_bytes.binding) == (32e9, "MEM-9.6.4-02")
    assert (pool.disk_bytes.value, pool.disk_bytes.binding) == (1e12, "STO-9.6.4-01")


def test_a_national_site_is_planned_with_the_reports_production_figures(
    examples: Path, requirements: Requirements
) -> None:
    plan = plan_of("onprem-national", examples, requirements)
    gpu = next(pool for pool in plan.pools if pool.name == "gpu")
    assert (gpu.cpu_cores.value, gpu.memory_bytes.value, gpu.accelerators.value) == (16, 256e9, 4)
    assert plan.network.node_link_bits_per_second.value == 10e9
    assert next(pool for pool in plan.pools if pool.name == "control-plane").count.value == 3
    assert not any(target.simulated for target in plan.targets)


def test_training_spreads_over_two_nodes_because_the_report_says_several(
    examples: Path, requirements: Requirements
) -> None:
    replicas = plan_of("sandbox", examples, requirements).service("risk-training-worker").replicas
    assert (replicas.value, replicas.binding) == (2, "TRN-9.4.3-01")


def test_a_load_that_the_listed_hosts_cannot_carry_is_a_warning(site_of, requirements: Requirements) -> None:  # type: ignore[no-untyped-def]
    plan = size(site_of(workers=2, declarations_per_day=50_000_000, items_per_declaration=50), requirements)
    assert any("pool cpu needs" in warning and "the site lists 2" in warning for warning in plan.warnings)


def test_one_worker_is_warned_of(site_of, requirements: Requirements) -> None:  # type: ignore[no-untyped-def]
    assert any("fewer than two workers" in warning for warning in size(site_of(workers=1), requirements).warnings)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_rented_gpu_instances_meet_the_reports_minima(path: Path, requirements: Requirements) -> None:
    cloud = size(load_site(path), requirements).cloud
    catalogue = load_catalogue()
    for pool in cloud.pools if cloud else ():
        if pool.accelerators:
            assert pool.accelerators >= 4, "K8S-9.5.6-02, GPU-9.7.2-01"
            assert pool.accelerators * catalogue[pool.accelerator].facts["memory_gigabytes"] >= 64, "GPU-9.7.2-02"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_plan_has_every_part_that_a_site_is_asked_for(path: Path, requirements: Requirements) -> None:
    site, plan = load_site(path), size(load_site(path), requirements)
    if site.hosts.provider == "sandbox":
        return
    for part in ("accelerators", "streaming", "backup", "registry", "notebooks", "monitoring", "traffic", "spares"):
        assert getattr(plan, part) is not None, part
    assert [year.year for year in plan.years] == list(range(1, site.workload.horizon_years + 1))
    assert (plan.facility is not None) == bool(plan.hardware) == (site.topology.value != "cloud")


def test_spark_and_nifi_are_not_smaller_than_the_report_asks(examples: Path, requirements: Requirements) -> None:
    streaming = plan_of("korea", examples, requirements).streaming
    assert streaming is not None
    assert (streaming.spark_cores.value, streaming.spark_cores.binding) == (4 * 16, "SPK-9.9.1-02")
    assert (streaming.spark_memory_bytes.value, streaming.spark_memory_bytes.binding) == (4 * 64e9, "SPK-9.9.1-03")
