"""What the plan needs of a provider, beside what the provider says: pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from portolan.model import Model
from portolan.sizing.parts import CloudPlan, CloudPool

TEBIBYTE = 2**40


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
    quota: str  # a pattern of the quota's name, as Service Quotas writes it
    needed: float
    unit: str


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
        cores[name] = cores.get(name, 0.0) + pool.cpu_cores * max(pool.most, int(pool.count))
        disks += float(pool.disk_bytes) * max(pool.most, int(pool.count))
    needs = [Need(service="ec2", quota=name, needed=value, unit="vCPU") for name, value in cores.items()]
    needs.append(Need(service="ec2", quota=r"^EC2-VPC Elastic IPs$", needed=zones, unit="addresses"))
    volumes = r"^Storage for General Purpose SSD \(gp3\) volumes"
    needs.append(Need(service="ebs", quota=volumes, needed=math.ceil(disks / TEBIBYTE), unit="TiB"))
    return needs


def judge_quotas(needs: Iterable[Need], quotas: Mapping[str, Mapping[str, float]], region: str) -> list[Finding]:
    """Return one finding a need; a quota that the account does not list is not judged as good."""
    findings = []
    for need in needs:
        said = [(name, value) for name, value in quotas.get(need.service, {}).items() if re.search(need.quota, name)]
        needed = f"{need.needed:g} {need.unit}"
        if not said:
            remedy = f"look in Service Quotas, {need.service}, {region}, whether the account may use it"
            findings.append(
                Finding(name=need.quota, passed=None, needed=needed, found="no such quota listed", remedy=remedy)
            )
            continue
        name, value = said[0]
        enough = value >= need.needed
        remedy = "" if enough else f"ask AWS for {needed} of '{name}' in {region} (Service Quotas)"
        findings.append(Finding(name=name, passed=enough, needed=needed, found=f"{value:g} {need.unit}", remedy=remedy))
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
