"""Requirement rows to targets: the number that this plan's hosts, cluster, platform and endpoints must reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from portolan.requirements.schema import Requirement, Requirements
from portolan.requirements.units import in_base_units
from portolan.sites.schema import HostRole, Pool, Site
from portolan.sizing.plan import Operator, PlannedHost, Target

# The oldest Kubernetes that the kit's roles and the versions of its operators are tested with.
OLDEST_KUBERNETES = "1.35"
OPERATING_SYSTEM = "debian 12"
ENDPOINT = "endpoint/risk-scoring"

# What a sandbox host cannot show, because it is a slice of the machine that it runs on.
HARDWARE: Final = frozenset(
    {
        "host.cpu-cores",
        "host.memory-bytes",
        "host.disk-bytes",
        "host.accelerators",
        "host.accelerator-compute-capability",
        "host.link-speed",
        "cluster.gpus-per-node",
    }
)


class Aim(NamedTuple):
    """What a check must find."""

    operator: Operator
    value: float | str
    unit: str = ""
    statistic: str = "value"


PRESENT: Final = Aim("present", "present")

# Checks whose number comes from the site or the kit, where the report asks without one.
DERIVED: Final[dict[str, Callable[[Site], Aim]]] = {
    "cluster.version": lambda site: Aim(">=", OLDEST_KUBERNETES, "version"),
    "cluster.nodes-ready": lambda site: Aim("==", float(len(site.hosts.nodes)), "nodes"),
    "endpoint.latency-seconds": lambda site: Aim("<=", site.workload.score_latency_seconds, "seconds", "p95"),
    "host.operating-system": lambda site: Aim("==", OPERATING_SYSTEM, "system"),
    "platform.training-succeeded": lambda site: PRESENT,
}


def plan_targets(site: Site, hosts: tuple[PlannedHost, ...], requirements: Requirements) -> tuple[Target, ...]:
    """Return the targets in the report's order, each host's in the site's order."""
    return tuple(
        target
        for row in requirements.applying(site.tier, site.topology)
        if row.level == "must"
        for check in row.checks
        for target in _targets_of(row, check, site, hosts)
    )


def _targets_of(row: Requirement, check: str, site: Site, hosts: tuple[PlannedHost, ...]) -> Iterator[Target]:
    aim = _aim(row, check, site)
    for subject in _subjects(row, check, hosts):
        yield Target(
            id=f"{row.id}/{check}/{subject.rsplit('/', 1)[-1]}",
            requirement=row.id,
            subject=subject,
            check=check,
            operator=aim.operator,
            value=aim.value,
            unit=aim.unit,
            statistic=aim.statistic,
            simulated=site.hosts.provider == "sandbox" and check in HARDWARE,
        )


def _aim(row: Requirement, check: str, site: Site) -> Aim:
    if check in DERIVED:
        return DERIVED[check](site)
    if row.operator == "range":
        raise ValueError(f"{row.id}: a range is no target")  # the schema allows no check on one
    if isinstance(row.value, float):
        value, unit = in_base_units(row.value, row.unit)
        return Aim(row.operator, value, unit)
    if row.value is not None:
        return Aim(row.operator, row.value)
    return PRESENT


def _subjects(row: Requirement, check: str, hosts: tuple[PlannedHost, ...]) -> list[str]:
    gpu_hosts = [host for host in hosts if host.role is HostRole.WORKER and host.pool is Pool.GPU]
    if row.subject == "gpu-worker" and check.startswith("cluster."):
        return ["cluster"] if gpu_hosts else []
    match row.subject:
        case "host":
            chosen = list(hosts)
        case "worker":
            chosen = [host for host in hosts if host.role is HostRole.WORKER]
        case "gpu-worker":
            chosen = gpu_hosts
        case "endpoint":
            return [ENDPOINT]
        case "cluster" | "platform":
            return [row.subject]
        case _:
            return []
    return [f"host/{host.name}" for host in chosen]
