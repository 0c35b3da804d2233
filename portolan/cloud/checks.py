"""What the plan needs of a provider, beside what the provider says: pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from portolan.model import Model
from portolan.sizing.parts import CloudPlan, CloudPool

TEBIBYTE, GIBIBYTE = 2**40, 2**30
# Where people ask for more, by provider.
DESKS = {
    "aws": ("AWS", "Service Quotas"),
    "azure": ("Azure", "Quotas in the portal, or: az quota update"),
    "gcp": ("Google", "IAM & Admin, Quotas"),
}

# Families of Google that count against the region's common vCPUs (Compute Engine, allocation quotas, 2025).
SHARED_FAMILIES = ("E2", "N1", "F1", "G1")
GOOGLE_GPUS = {"a100-40": "A100", "a100-80": "A100_80GB", "l4": "L4", "t4": "T4", "v100": "V100", "h100": "H100"}


class Finding(Model):
    """One question that was asked of the provider, and its answer."""

    name: str
    passed: bool | None  # None: the provider did not say
    needed: str
    found: str
    remedy: str = ""


class Need(Model):
    """How much of a quota the plan uses when it is scaled out."""

    service: str
    quota: str  # a pattern of the quota's name, as the provider writes it
    needed: float
    unit: str


class Quota(Model):
    """A limit of the account, and how much of it is in use already (0 where the provider does not say)."""

    name: str
    limit: float
    used: float = 0.0

    @property
    def free(self) -> float:
        """Return what is left."""
        return self.limit - self.used


def most_nodes(pool: CloudPool) -> int:
    """Return how many nodes a pool has when it is scaled out."""
    return max(pool.most, int(pool.count))


def family(pool: CloudPool) -> Literal["P", "G and VT", "Standard"]:
    """Return the family under which AWS counts an instance type's vCPUs.

    Raises ValueError for a family that the kit does not know.
    """
    letters = re.match(r"[a-z]+", pool.instance)
    first = letters.group() if letters else ""
    if first == "p":
        return "P"
    if first in ("g", "gr", "vt"):
        return "G and VT"
    if first[:1] in tuple("acdhimrtz") and first not in ("inf", "trn", "dl", "hpc"):
        return "Standard"
    raise ValueError(pool.instance)


def amazon_needs(plan: CloudPlan, zones: int) -> list[Need]:
    """Return the quotas that the plan takes: vCPU by family and way of buying, addresses, disks in TiB."""
    cores: dict[str, float] = {}
    disks = float(plan.block_bytes)
    for pool in plan.pools:
        own = re.escape(family(pool))
        spot = pool.purchase == "interruptible"
        name = rf"^All {own}\b.* Spot Instance Requests$" if spot else rf"^Running On-Demand {own}\b.* instances$"
        cores[name] = cores.get(name, 0.0) + pool.cpu_cores * most_nodes(pool)
        disks += float(pool.disk_bytes) * most_nodes(pool)
    needs = [Need(service="ec2", quota=name, needed=value, unit="vCPU") for name, value in cores.items()]
    needs.append(Need(service="ec2", quota=r"^EC2-VPC Elastic IPs$", needed=zones, unit="addresses"))
    volumes = r"^Storage for General Purpose SSD \(gp3\) volumes"
    needs.append(Need(service="ebs", quota=volumes, needed=math.ceil(disks / TEBIBYTE), unit="TiB"))
    needs.append(Need(service="vpc", quota=r"^VPCs per Region$", needed=1, unit="networks"))
    needs.append(Need(service="eks", quota=r"^Clusters$", needed=1, unit="clusters"))
    return needs


def azure_needs(plan: CloudPlan, families: Mapping[str, str]) -> list[Need]:
    """Return the quotas that the plan takes: vCPU by family, of the region and interruptible, disks, addresses.

    `families` gives the family of an instance type as Azure's own list of sizes writes it.
    """
    cores: dict[str, float] = {}
    total = disks = 0.0
    for pool in plan.pools:
        needed = pool.cpu_cores * most_nodes(pool)
        disks += most_nodes(pool)
        if pool.purchase == "interruptible":
            cores["lowPriorityCores"] = cores.get("lowPriorityCores", 0.0) + needed
        else:
            name = families.get(pool.instance, pool.instance)
            cores[name] = cores.get(name, 0.0) + needed
            total += needed
    cores["cores"] = total
    needs = [Need(service="compute", quota=_exactly(name), needed=value, unit="vCPU") for name, value in cores.items()]
    needs.append(Need(service="compute", quota=_exactly("PremiumDiskCount"), needed=disks, unit="disks"))
    # One of the way out, and one that Azure takes while it renews a gateway.
    needs.append(Need(service="network", quota=_exactly("PublicIPAddresses"), needed=2, unit="addresses"))
    return needs


def google_needs(plan: CloudPlan) -> list[Need]:
    """Return the quotas that the plan takes: vCPU by family, GPUs by model and way of buying, disks, addresses."""
    totals: dict[tuple[str, str], float] = {}

    def add(quota: str, needed: float, unit: str) -> None:
        totals[quota, unit] = totals.get((quota, unit), 0.0) + needed

    for pool in plan.pools:
        nodes, kind = most_nodes(pool), pool.instance.split("-")[0].upper()
        spot = pool.purchase == "interruptible"
        own = "CPUS" if kind in SHARED_FAMILIES else f"{kind}_CPUS"
        add("PREEMPTIBLE_CPUS" if spot else own, pool.cpu_cores * nodes, "vCPU")
        if pool.accelerators:
            model = GOOGLE_GPUS.get(pool.accelerator, pool.accelerator.upper())
            add(f"{'PREEMPTIBLE_' if spot else ''}NVIDIA_{model}_GPUS", pool.accelerators * nodes, "GPU")
        add("SSD_TOTAL_GB", float(pool.disk_bytes) / GIBIBYTE * nodes, "GB")
    add("SSD_TOTAL_GB", float(plan.block_bytes) / GIBIBYTE, "GB")
    add("IN_USE_ADDRESSES", 1, "addresses")
    return [
        Need(service="compute", quota=_exactly(name), needed=math.ceil(value), unit=unit)
        for (name, unit), value in totals.items()
    ]


def judge_quotas(
    needs: Iterable[Need], quotas: Mapping[str, Mapping[str, Quota]], region: str, provider: str = "aws"
) -> list[Finding]:
    """Return one finding a need; a quota that the account does not list is not judged as good."""
    company, desk = DESKS[provider]
    findings = []
    for need in needs:
        said = [one for name, one in quotas.get(need.service, {}).items() if re.search(need.quota, name)]
        needed = f"{need.needed:g} {need.unit}"
        if not said:
            remedy = f"look in {desk.split(',')[0]}, {need.service}, {region}, whether the account may use it"
            findings.append(
                Finding(name=need.quota.strip("^$"), passed=None, needed=needed, found="not listed", remedy=remedy)
            )
            continue
        quota = said[0]
        enough = quota.free >= need.needed
        used = f" of {quota.limit:g}" if quota.used else ""
        asked = math.ceil(need.needed + quota.used)
        remedy = "" if enough else f"ask {company} for {asked:g} {need.unit} of '{quota.name}' in {region} ({desk})"
        found = f"{quota.free:g}{used} {need.unit}"
        findings.append(Finding(name=quota.name, passed=enough, needed=needed, found=found, remedy=remedy))
    return findings


def judge_offerings(plan: CloudPlan, zones: Iterable[str], offered: Mapping[str, set[str]]) -> list[Finding]:
    """Return one finding a pool: its instance type is offered in at least one zone of the site."""
    wanted = set(zones)
    findings = []
    for pool in plan.pools:
        found = sorted(offered.get(pool.instance, set()) & wanted)
        remedy = f"choose another type for {pool.pool} under cloud.instances, or another region or zone"
        findings.append(
            Finding(
                name=f"{pool.instance} for pool {pool.pool}",
                passed=bool(found),
                needed=f"offered in {plan.region}",
                found=", ".join(found) or "in no zone of the site",
                remedy="" if found else remedy,
            )
        )
    return findings


def judge_zones(plan: CloudPlan, zones: Iterable[str], standing: Iterable[str]) -> list[Finding]:
    """Return one finding for each zone of the site that the region does not have."""
    there = sorted(standing)
    return [
        Finding(
            name=f"zone {zone}",
            passed=False,
            needed=f"a zone of {plan.region}",
            found=", ".join(there) or "none",
            remedy="correct cloud.zones",
        )
        for zone in zones
        if zone not in there
    ]


def _exactly(name: str) -> str:
    return f"^{re.escape(name)}$"
