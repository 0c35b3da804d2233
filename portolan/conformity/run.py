"""One verification of a site, from the site file to judgements that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from portolan import __version__, paths
from portolan.conformity import render
from portolan.conformity.check import Scope
from portolan.conformity.evidence import Judgement
from portolan.conformity.ledger import Ledger
from portolan.conformity.reach import (
    HostConnection,
    HostUnreachableError,
    api_client,
    connections,
    host_addresses,
    kubeconfig,
)
from portolan.conformity.registry import CHECKS
from portolan.conformity.verification import verify
from portolan.conformity.world import NODE_PORT, World, opened
from portolan.errors import PortolanError
from portolan.output import Format, emit, people
from portolan.sites.loader import load_site
from portolan.sites.schema import HostRole
from portolan.sizing.plan import Plan

API_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Run:
    """What one verification found, and where its evidence lies."""

    site: str
    time: str
    judgements: tuple[Judgement, ...]
    evidence: Path

    @property
    def summary(self) -> dict[str, int]:
        """Return how many of each verdict."""
        return render.summary(self.judgements)


def verify_site(site_path: Path, evidence: Path | None = None, only: str = "*") -> Run:
    """Verify the site of the file at `site_path` against its plan.

    Raises PortolanError where it cannot begin: no target, a host out of reach, no kubeconfig, no API server.
    """
    site = load_site(site_path)
    plan = site_plan(site_path)
    targets = [target for target in plan.targets if fnmatchcase(target.check, only)]
    if not targets:
        raise PortolanError(
            str(site_path), f"the plan has no target whose check matches {only!r}", "see docs/reference/checks.md"
        )
    time = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    header = {"site": site.name, "site_digest": plan.site_digest, "portolan": __version__, "time": time, "only": only}
    addresses = host_addresses(site_path)
    beyond_hosts = any(not target.check.startswith(f"{Scope.HOST}.") for target in targets)
    config = kubeconfig(site.name) if beyond_hosts else paths.site_state(site.name) / "kubeconfig"
    workers = [host.name for host in plan.hosts if host.role is HostRole.WORKER] or [plan.hosts[0].name]
    entrance = next(address for address in addresses if address.name == workers[0]).address
    with connections(addresses) as hosts:
        world = World(plan=plan, hosts=hosts, kubeconfig=config, endpoint=f"http://{entrance}:{NODE_PORT}")
        people.print(f"verifying {len(targets)} targets of site {site.name} ...")
        _check_hosts(hosts)
        if beyond_hosts:
            _check_api(config)
        with opened(world), Ledger(evidence or paths.site_state(site.name) / "evidence", header) as ledger:
            judgements = verify(world, targets, CHECKS, ledger.note)
    return Run(site=site.name, time=time, judgements=judgements, evidence=ledger.directory)


def site_plan(site_path: Path) -> Plan:
    """Return the plan of a site."""
    from portolan.requirements.loader import load_requirements
    from portolan.sizing.engine import size

    return size(load_site(site_path), load_requirements())


def _check_hosts(hosts: Mapping[str, HostConnection]) -> None:
    """Raise PortolanError where a host does not let us in; all are tried at once."""

    def knock(connection: HostConnection) -> str:
        try:
            answer = connection.shell("id -u")
        except HostUnreachableError as error:
            return str(error)
        if answer.output.strip() != "0":
            said = answer.errors.strip() or "sudo asks for a password"
            return f"{connection.name} ({connection.address.address}): no root through sudo: {said}"
        return ""

    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        faults = [fault for fault in pool.map(knock, hosts.values()) if fault]
    if faults:
        names = ", ".join(fault.split(" ", 1)[0] for fault in faults)
        raise PortolanError(
            f"host {names}",
            "unreachable over SSH: " + "; ".join(faults),
            "check that the host runs, its address, and the user and key under hosts.ssh in the site file",
        )


def _check_api(config: Path) -> None:
    """Raise PortolanError where the API server does not answer."""
    from kubernetes import client
    from urllib3.exceptions import HTTPError

    api = api_client(config)
    try:
        client.VersionApi(api).get_code(_request_timeout=API_TIMEOUT_SECONDS)
    except (client.ApiException, HTTPError, OSError) as error:
        raise PortolanError(
            api.configuration.host,
            f"the API server does not answer: {getattr(error, 'reason', None) or error}",
            f"check that the control plane runs and that {config} is its kubeconfig; portolan up mends both",
        ) from None


def print_run(run: Run, output: Format) -> None:
    """Print what was found: a table for people, or the one document."""
    if output is Format.TABLE:
        render.print_table(run.site, run.judgements)
        print(render.summary_line(run.judgements))
        people.print(f"evidence: {run.evidence}", markup=False, soft_wrap=True)
    else:
        people.print(f"evidence: {run.evidence}", markup=False, soft_wrap=True)
        emit(render.document(run.site, run.time, run.judgements), output)
