"""One verification of a site, from the site file to judgements that are kept."""

from __future__ import annotations

import fcntl
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from portolan import __version__, paths
from portolan.conformity import render
from portolan.conformity.acceptance import acceptance_targets
from portolan.conformity.archive import Kept, stopped_run
from portolan.conformity.check import Scope
from portolan.conformity.depth import Depth
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
from portolan.conformity.signing import signing_key
from portolan.conformity.verification import verify
from portolan.conformity.world import NODE_PORT, World, opened
from portolan.errors import PortolanError
from portolan.output import Format, emit, people
from portolan.platform.access import authority_file
from portolan.sites.loader import load_site
from portolan.sites.schema import HostRole
from portolan.sizing.plan import Plan, Target

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


def site_targets(site_path: Path, plan: Plan, depth: Depth = Depth.QUICK, only: str = "*") -> list[Target]:
    """Return the targets of a depth: the plan's own, and from `standard` on those of acceptance.

    Raises PortolanError where no target's check matches `only`.
    """
    from portolan.requirements.loader import load_requirements

    wanted = [*plan.targets, *acceptance_targets(plan, load_requirements(), depth)]
    targets = [target for target in wanted if fnmatchcase(target.check, only)]
    if not targets:
        raise PortolanError(
            str(site_path),
            f"the plan has no target whose check matches {only!r} at depth {depth}",
            "see docs/reference/checks.md, or give a greater --depth",
        )
    return targets


def verify_site(
    site_path: Path,
    evidence: Path | None = None,
    only: str = "*",
    depth: Depth = Depth.QUICK,
    resume: bool = False,
) -> Run:
    """Verify the site of the file at `site_path` against its plan; `resume` goes on with the run that was stopped.

    Raises PortolanError where it cannot begin: no target, a host out of reach, no kubeconfig, no API server, or
    another verification that puts the same site under load.
    """
    site = load_site(site_path)
    plan = site_plan(site_path)
    targets = site_targets(site_path, plan, depth, only)
    time = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    header = {
        "site": site.name,
        "site_digest": plan.site_digest,
        "portolan": __version__,
        "time": time,
        "only": only,
        "depth": depth.value,
    }
    addresses = host_addresses(site_path)
    beyond_hosts = any(not target.check.startswith(f"{Scope.HOST}.") for target in targets)
    config = kubeconfig(site.name) if beyond_hosts else paths.site_state(site.name) / "kubeconfig"
    workers = [host.name for host in plan.hosts if host.role is HostRole.WORKER] or [plan.hosts[0].name]
    entrance = next(address for address in addresses if address.name == workers[0]).address
    with connections(addresses) as hosts:
        world = World(
            plan=plan,
            hosts=hosts,
            kubeconfig=config,
            endpoint=f"https://{entrance}:{NODE_PORT}",
            endpoint_authority=_authority(site.name),
            depth=depth,
        )
        people.print(f"verifying {len(targets)} targets of site {site.name} at depth {depth} ...")
        _check_hosts(hosts)
        if beyond_hosts:
            _check_api(config)
        place = evidence or paths.site_state(site.name) / "evidence"
        with alone(site.name, depth):
            kept = stopped_run(place, header, CHECKS) if resume else None
            done = measured_before(targets, kept)
            left = [target for target in targets if target.id not in done]
            if kept is not None:
                header = dict(kept.header)
                people.print(f"going on with the run of {kept.time}: {len(done)} measured before, {len(left)} left")
            ledger = Ledger(place, header, signing_key(site.name), kept.folder if kept else None)
            with told_how_to_go_on(site_path, depth), opened(world), ledger:
                note = progress(len(left), ledger.note) if depth is not Depth.QUICK else ledger.note
                found = done | {entry.target.id: entry for entry in verify(world, left, CHECKS, note)}
    judgements = tuple(found[target.id] for target in targets)
    return Run(site=site.name, time=str(header["time"]), judgements=judgements, evidence=ledger.directory)


def measured_before(targets: Sequence[Target], kept: Kept | None) -> dict[str, Judgement]:
    """Return what need not be measured again: targets that have not changed and have a value."""
    if kept is None:
        return {}
    wanted = {target.id: target for target in targets}
    return {
        entry.target.id: entry
        for entry in kept.judgements
        if entry.target == wanted.get(entry.target.id) and entry.evidence.value is not None
    }


@contextmanager
def told_how_to_go_on(site_path: Path, depth: Depth) -> Iterator[None]:
    """Say, where a long verification is stopped, how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if depth is not Depth.QUICK:
            people.print(
                f"stopped; what was measured is kept. Go on with: portolan verify {site_path} --depth {depth} --resume",
                markup=False,
                soft_wrap=True,
            )
        raise


def _authority(site: str) -> Path | None:
    """Return who signed the endpoint's certificate; None where the site has no platform yet."""
    try:
        return authority_file(site)
    except PortolanError:
        return None


def progress(count: int, note: Callable[[Judgement], None]) -> Callable[[Judgement], None]:
    """Return a `note` that also tells people how far a long verification is."""
    done = itertools.count(1)

    def tell(judgement: Judgement) -> None:
        note(judgement)
        people.print(
            f"{next(done):4}/{count} {judgement.verdict:12} {judgement.target.check} {judgement.target.subject}",
            markup=False,
            soft_wrap=True,
        )

    return tell


@contextmanager
def alone(site: str, depth: Depth) -> Iterator[None]:
    """Hold the site for a verification that puts it under load; quick ones may run side by side.

    Raises PortolanError where another one holds it.
    """
    if depth is Depth.QUICK:
        yield
        return
    path = paths.site_state(site) / "verify.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise PortolanError(
                str(path),
                f"another verification puts site {site} under load (process {lock.read().strip() or 'unknown'})",
                "wait for its end: two at once would measure each other",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


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


def print_runs(runs: Sequence[Run], output: Format) -> None:
    """Print what was found: a table a cluster for people, or the one document; a list of them for several clusters."""
    for run in runs:
        if output is Format.TABLE:
            render.print_table(run.site, run.judgements)
            print(render.summary_line(run.judgements))
        people.print(f"evidence: {run.evidence}", markup=False, soft_wrap=True)
    if output is not Format.TABLE:
        documents = [render.document(run.site, run.time, run.judgements) for run in runs]
        emit(documents[0] if len(documents) == 1 else documents, output)
