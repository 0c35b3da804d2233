"""The stages of `portolan up`, in their order; each calls one room and says in a line what stands."""

from __future__ import annotations

from pathlib import Path

from portolan import paths
from portolan.delivery import card, machine
from portolan.delivery.stages import Stage, run_stages
from portolan.files import write_atomically
from portolan.inventory.members import cluster_files, home_cluster, on_each
from portolan.output import Format, people
from portolan.sites import Site, load_site

USE_CASES_PART = "use-cases"  # of the bundle: what only a site with use cases needs
BENCHMARKS_PART = "benchmarks"  # and what only one whose hosts are looked at by benchmarks


def record_path(site: str) -> Path:
    """Return the file that keeps how the last run went."""
    return paths.site_state(site) / "up.json"


def up(site_path: Path, location: str | None = None) -> int:
    """Bring a site from its file to a running, verified platform; return how many targets fail.

    `location` chooses one of a site's clusters; the site's hosts are made together.
    Raises PortolanError where a stage cannot do its work; a second run continues there.
    """
    site = load_site(site_path)
    failing = 0
    home = home_cluster(site_path)
    serves = home in cluster_files(site_path, location)

    def verify() -> str:
        nonlocal failing
        from portolan.conformity.run import print_runs, verify_site

        runs = on_each(site_path, location, verify_site)
        print_runs(runs, Format.TABLE)
        found = {verdict: sum(run.summary[verdict] for run in runs) for verdict in ("pass", "fail", "not-measured")}
        failing = found["fail"]
        return f"{found['pass']} pass, {failing} fail, {found['not-measured']} not measured"

    stages = [
        Stage("machine", "Check this machine", lambda: _machine(site)),
        Stage("plan", "Size the site", lambda: _plan(site_path, site)),
        Stage("bundle", "Obtain binaries and images", lambda: _bundle(site)),
        *([Stage("hosts", "Start the hosts", lambda: _hosts(site))] if _makes_hosts(site) else []),
        Stage("cluster", "Make them a cluster (Ansible)", lambda: _cluster(site_path, location)),
        Stage("platform", "Deploy the platform (Pulumi)", lambda: _platform(site_path, location)),
        *([Stage("score", "Score declarations", lambda: _score(home))] if serves else []),
        Stage("verify", "Verify against the plan", verify),
    ]
    run_stages(site.name, stages, record_path(site.name))
    if serves:
        people.print(card.text(site_path, home), markup=False, soft_wrap=True)
    return failing


def _machine(site: Site) -> str:
    facts = machine.measure(hosts_are_running=_hosts_are_running(site))
    machine.require(site, facts)
    memory, disk = facts.memory_available_bytes / 2**30, facts.state_free_bytes / 1e9
    return f"{memory:.0f} GiB of memory and {disk:.0f} GB of disk are free"


def _makes_hosts(site: Site) -> bool:
    """Tell whether this machine makes the site's hosts; those of one cluster of several are made with the others'."""
    return site.hosts.provider == "sandbox" and site.member_of is None


def _hosts_are_running(site: Site) -> bool:
    if not _makes_hosts(site):
        return site.member_of is not None
    from portolan.sandbox import lifecycle

    return not lifecycle.off(lifecycle.planned(site))


def _plan(site_path: Path, site: Site) -> str:
    from portolan.conformity.run import site_plan

    plan = site_plan(site_path)
    write_atomically(paths.site_state(site.name) / "plan.json", plan.model_dump_json(indent=2))
    for file in cluster_files(site_path):
        if file != site_path:
            text = site_plan(file).model_dump_json(indent=2)
            write_atomically(paths.site_state(load_site(file).name) / "plan.json", text)
    return f"{len(plan.hosts)} hosts, {len(plan.services)} services, {len(plan.targets)} targets"


def _bundle(site: Site) -> str:
    from portolan.bundle.session import ensure_bundle

    bundle = ensure_bundle()
    asked = {USE_CASES_PART: bool(site.use_cases), BENCHMARKS_PART: site.security.benchmarks}
    if parts := tuple(part for part, wanted in asked.items() if wanted):
        bundle = ensure_bundle(parts)
    entries = bundle.index.entries
    size = sum(entry.size_bytes for entry in entries)
    return f"{len(entries)} entries, {size / 1e9:.1f} GB"


def _hosts(site: Site) -> str:
    from portolan.sandbox import lifecycle

    result = lifecycle.up(site, lambda line: people.print(f"  {line}", markup=False))
    return f"{len(result.started)} started, {len(result.running)} were running"


def _cluster(site_path: Path, location: str | None) -> str:
    from portolan.inventory.commands import print_role
    from portolan.inventory.converge import Options, converge_all

    results = converge_all(site_path, Options(), print_role, location)
    hosts = {name for result in results for name in result.hosts}
    return f"{len(hosts)} hosts converged, {sum(len(result.changed) for result in results)} changes"


def _platform(site_path: Path, location: str | None) -> str:
    return f"{sum(on_each(site_path, location, _platform_of_one))} changes"


def _platform_of_one(site_path: Path) -> int:
    from portolan.platform import program
    from portolan.platform.standing import wait_until_standing

    outcome = program.run("up", site_path)
    kubeconfig = paths.site_state(load_site(site_path).name) / "kubeconfig"
    wait_until_standing(kubeconfig, lambda line: people.print(f"  {line}", markup=False, soft_wrap=True))
    return len(outcome.changes)


def _score(home: Path) -> str:
    from portolan.delivery.score import read_declarations, score_declarations
    from portolan.platform.access import access_of

    declarations = read_declarations(card.EXAMPLE, limit=20)
    scored = score_declarations(card.endpoint(home), declarations, access_of(load_site(home).name))
    lanes = {lane: sum(one.lane == lane for one in scored) for lane in ("green", "yellow", "red")}
    return f"{len(scored)} declarations: " + ", ".join(f"{count} {lane}" for lane, count in lanes.items())
