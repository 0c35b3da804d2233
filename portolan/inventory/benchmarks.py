"""What lynis and kube-bench found on the hosts: read, and held against the items that are left out with a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from portolan import paths
from portolan.conformity.evidence import Evidence
from portolan.errors import PortolanError
from portolan.files import write_atomically
from portolan.model import Model

LEFT_OUT = paths.REPOSITORY / "ansible" / "roles" / "hardening" / "files" / "cis.yaml"
# The reports' names on a host and beside the evidence; the section of LEFT_OUT that speaks of each.
REPORTS = {"lynis": ("lynis.dat", "lynis"), "kube-bench": ("kube-bench.json", "kubernetes")}
Tool = Literal["lynis", "kube-bench"]


class Finding(Model):
    """Something that a benchmark would have otherwise; `left_out` is the reason why it stays, if there is one."""

    host: str
    tool: Tool
    id: str  # the benchmark's own: a test of lynis, an item of CIS
    what: str
    left_out: str = ""


class Section(Model):
    """A section of the CIS benchmark: how many of its items passed, failed, and are for people to look at."""

    id: str
    what: str
    passed: int
    warned: int
    failed: int
    left_out: int  # of those that failed: how many with a reason


class Report(Model):
    """What one tool said of one host."""

    host: str
    tool: Tool
    findings: tuple[Finding, ...] = ()
    passed: int | None = None  # items; lynis counts none
    warned: int | None = None
    failed: int | None = None
    sections: tuple[Section, ...] = ()
    hardening_index: int | None = None  # lynis's own figure of 100


@cache
def reasons(section: str) -> Mapping[str, str]:
    """Return why items are left out, by their number."""
    from ruamel.yaml import YAML

    items = YAML(typ="safe").load(LEFT_OUT.read_text(encoding="utf-8")).get(section, [])
    return {str(item["id"]): item["left_out"] for item in items if "left_out" in item}


def read_lynis(host: str, text: str, left_out: Mapping[str, str]) -> Report:
    """Return lynis's warnings (its suggestions are advice, not findings) from its report file.

    >>> read_lynis("a", "hardening_index=70\\nwarning[]=NETW-2705|One name server|-|-|\\n", {}).findings[0].id
    'NETW-2705'
    """
    found, index = [], None
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "hardening_index" and value.isdigit():
            index = int(value)
        elif name == "warning[]":
            test, what, *_ = [*value.split("|"), ""]
            found.append(Finding(host=host, tool="lynis", id=test, what=what, left_out=left_out.get(test, "")))
    if index is None:
        raise PortolanError(
            f"lynis on {host}", "the report has no end", "see /var/lib/portolan/reports/lynis.txt there"
        )
    return Report(host=host, tool="lynis", findings=tuple(found), hardening_index=index)


def read_kube_bench(host: str, text: str, left_out: Mapping[str, str]) -> Report:
    """Return the items that failed, from `kube-bench run --json`; what it only warns of is for people to look at."""
    try:
        controls: list[dict[str, Any]] = json.loads(text)["Controls"]
        groups = [group for control in controls for group in control["tests"]]
        items = [item for group in groups for item in group["results"]]
        sections = tuple(_section(group, left_out) for group in groups)
        found = tuple(
            Finding(
                host=host,
                tool="kube-bench",
                id=item["test_number"],
                what=item["test_desc"],
                left_out=left_out.get(item["test_number"], ""),
            )
            for item in items
            if item["status"] == "FAIL"
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PortolanError(
            f"kube-bench on {host}", f"the report cannot be read: {error!r}", "run the same command again"
        ) from error
    return Report(
        host=host,
        tool="kube-bench",
        findings=found,
        passed=sum(one.passed for one in sections),
        warned=sum(one.warned for one in sections),
        failed=sum(one.failed for one in sections),
        sections=sections,
    )


def _section(group: dict[str, Any], left_out: Mapping[str, str]) -> Section:
    """Return the count of one group; a status that nobody knows is a KeyError, so no item is lost."""
    numbers: dict[str, list[str]] = {"PASS": [], "WARN": [], "FAIL": [], "INFO": []}
    for item in group["results"]:
        numbers[item["status"]].append(item["test_number"])
    return Section(
        id=group["section"],
        what=group["desc"],
        passed=len(numbers["PASS"]),
        warned=len(numbers["WARN"]) + len(numbers["INFO"]),
        failed=len(numbers["FAIL"]),
        left_out=sum(number in left_out for number in numbers["FAIL"]),
    )


def counts(reports: tuple[Report, ...]) -> list[tuple[str, ...]]:
    """Return a row for each host and section: host, tool, section, and how many passed, warned, failed, are excused."""
    rows: list[tuple[str, ...]] = []
    for report in reports:
        for one in report.sections:
            numbers = (one.passed, one.warned, one.failed, one.left_out)
            rows.append((report.host, report.tool, f"{one.id} {one.what}", *map(str, numbers)))
        if report.hardening_index is not None:
            excused = sum(bool(one.left_out) for one in report.findings)
            index = f"hardening index {report.hardening_index} of 100"
            rows.append((report.host, report.tool, index, "", "", str(len(report.findings)), str(excused)))
    return rows


READERS = {"lynis": read_lynis, "kube-bench": read_kube_bench}


def read_reports(folder: Path, hosts: tuple[str, ...]) -> tuple[Report, ...]:
    """Return every report that was fetched, hosts in their order. Raises PortolanError where one cannot be read."""
    return tuple(
        READERS[tool](host, path.read_text(encoding="utf-8", errors="replace"), reasons(section))
        for host in hosts
        for tool, (name, section) in REPORTS.items()
        if (path := folder / host / name).is_file()
    )


def as_evidence(reports: tuple[Report, ...], hosts: tuple[str, ...], time: str) -> tuple[Evidence, ...]:
    """Return evidence by host and tool: how many findings no reason leaves out; not measured without a report."""
    known: dict[tuple[str, str], Report] = {(report.host, report.tool): report for report in reports}
    found = []
    for host in hosts:
        for tool in READERS:
            report = known.get((host, tool))
            open_ = [one for one in report.findings if not one.left_out] if report else []
            found.append(
                Evidence(
                    value=float(len(open_)) if report else None,
                    unit="findings",
                    method=f"{tool}, read from {REPORTS[tool][0]}",
                    host=host,
                    time=time,
                    detail="; ".join(f"{one.id} {one.what}" for one in open_[:5]),
                    reason_not_measured=None if report else f"{tool} is not on the host",
                )
            )
    return tuple(found)


def keep(folder: Path, evidence: tuple[Evidence, ...]) -> Path:
    """Write the evidence beside the reports, and return its path."""
    path = folder / "findings.json"
    write_atomically(path, json.dumps([one.model_dump(mode="json") for one in evidence], indent=1) + "\n")
    return path


def now() -> str:
    """Return the time as evidence has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
