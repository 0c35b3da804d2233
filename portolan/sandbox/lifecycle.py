"""`up` and `down`: from whatever state the machine is in to all hosts, or to none."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.output import people
from portolan.sandbox import (
    boot,
    cgroups,
    leftovers,
    line,
    mounts,
    names,
    network,
    places,
    preflight,
    roots,
    secure_shell,
)
from portolan.sandbox.facts import machine_memory_bytes
from portolan.sandbox.places import SitePlaces
from portolan.sandbox.spec import Sandbox, SandboxHost, hosts_document, plan_sandbox
from portolan.sites.schema import Site

INOTIFY_INSTANCES = 1024
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
HALF_STARTED_SECONDS = 60.0  # what a host that somebody else started gets before it is started anew
POWER_OFF_SECONDS = 30.0

Say = Callable[[str], None]


class UpResult(Model):
    """What `up` did."""

    site: str
    started: tuple[str, ...]
    running: tuple[str, ...]


class DownResult(Model):
    """What `down` removed."""

    site: str
    hosts: tuple[str, ...]


class UpPlan(Model):
    """What `up` is going to do."""

    sandbox: Sandbox
    running: tuple[str, ...]
    start: tuple[str, ...]
    broken: tuple[str, ...]  # of those to start: leftovers of them are removed first
    strangers: tuple[str, ...]  # hosts that stand, and are not in the site file


def planned(site: Site) -> Sandbox:
    """Return the sandbox that `up` would make; hosts that exist keep their addresses."""
    return plan_sandbox(site, boot.kept_addresses(SitePlaces(site.name)))


def off(sandbox: Sandbox) -> tuple[SandboxHost, ...]:
    """Return the hosts of a sandbox that do not run, or not whole."""
    groups = cgroups.find()
    return tuple(
        host
        for host in sandbox.hosts
        if not boot.supervised(cgroups.processes(groups.get((sandbox.site, host.name), [])))
    )


def plan_up(site: Site, site_places: SitePlaces) -> UpPlan:
    """Look at the machine and return what `up` has to do; changes nothing.

    Raises PortolanError where the site cannot stand here.
    """
    _refuse_other_state(site.name, site_places)
    sandbox = planned(site)
    groups = {host: paths for (of, host), paths in cgroups.find().items() if of == site.name}
    wanted = [host.name for host in sandbox.hosts]
    kept = boot.kept_addresses(site_places)
    start = {host.name for host in off(sandbox)} | (set(wanted) - set(kept))  # a stray of a state that is gone
    return UpPlan(
        sandbox=sandbox,
        running=tuple(name for name in wanted if name not in start),
        start=tuple(name for name in wanted if name in start),
        broken=tuple(name for name in wanted if name in start and name in groups),
        strangers=tuple(sorted(set(groups) - set(wanted))),
    )


def say_to_people(line: str) -> None:
    """Print a line of progress on standard error."""
    people.print(line, markup=False, soft_wrap=True)


def up(site: Site, say: Say = say_to_people) -> UpResult:
    """Make every host of the site stand, and write hosts.json; hosts that stand are left alone.

    Raises PortolanError where the machine cannot carry them, the range is taken, or a host does not come up.
    """
    site_places = SitePlaces(site.name)
    preflight.check(site.name, 0)
    with places.alone(site.name):
        plan = plan_up(site, site_places)
        preflight.check(site.name, len(plan.start))
        network.check(plan.sandbox)
        content = roots.ensure() if plan.start else ""
        private_key = secure_shell.ensure_private_key(plan.sandbox, site_places)
        site_places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        places.register(site_places)
        network.ensure(plan.sandbox)
        line.ensure(plan.sandbox)
        _allow_inotify(say)
        document = hosts_document(plan.sandbox, str(private_key), machine_memory_bytes(), os.cpu_count() or 1)
        entries = {host["name"]: host for host in document["hosts"]}
        for stranger in plan.strangers:
            say(f"host {stranger} is not in the site file; remove it with: sandbox down --host {stranger}")
        starts = {host.name: host for host in plan.sandbox.hosts if host.name in plan.start}
        for host in starts.values():
            _prepare(plan.sandbox, host, site_places, content, private_key)
        _write_known_hosts(plan.sandbox, site_places)
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=len(plan.sandbox.hosts)) as pool:
            jobs = [
                pool.submit(_host_up, plan, host, entries[host.name], site_places, private_key, say, stop)
                for host in plan.sandbox.hosts
            ]
            try:
                errors = [error for job in jobs if (error := job.exception()) is not None]
            except KeyboardInterrupt:
                stop.set()  # else the pool would wait for every host before the interrupt is heard
                raise
        if errors:
            raise errors[0]
        places.write_if_changed(site_places.hosts_document, json.dumps(document, indent=2) + "\n")
    return UpResult(site=site.name, started=plan.start, running=plan.running)


def _allow_inotify(say: Say) -> None:
    """Let so many hosts' systemd, kubelet and containerd watch files: Linux gives a user 128 instances by default."""
    if int(_INOTIFY.read_text(encoding="ascii")) < INOTIFY_INSTANCES:
        _INOTIFY.write_text(str(INOTIFY_INSTANCES), encoding="ascii")
        say(f"raised fs.inotify.max_user_instances of this machine to {INOTIFY_INSTANCES}")


def _prepare(sandbox: Sandbox, host: SandboxHost, site_places: SitePlaces, content: str, private_key: Path) -> None:
    """Remove what is left of a host and make its directory ready for a start."""
    cgroups.remove({key: paths for key, paths in cgroups.find().items() if key == (sandbox.site, host.name)})
    authorized_key = private_key.with_name(private_key.name + ".pub").read_text(encoding="ascii").strip()
    boot.prepare(sandbox, host, site_places, content, authorized_key)


def _host_up(
    plan: UpPlan,
    host: SandboxHost,
    entry: dict[str, Any],
    site_places: SitePlaces,
    private_key: Path,
    say: Say,
    stop: threading.Event,
) -> None:
    """Bring one host to running; several run side by side, each in a thread."""
    begun = time.monotonic()
    if host.name in plan.running:
        try:
            state = boot.wait_ready(plan.sandbox, entry, site_places, HALF_STARTED_SECONDS, stop)
            say(f"host {host.name} {host.address} is {state} already")
            return
        except PortolanError:
            if stop.is_set() or boot.banner(entry["address"], entry["ssh_port"], 2):
                raise  # it lives: whoever works on it would lose more by a restart than by this error
            say(f"host {host.name} does not answer; starting it anew")
            _prepare(plan.sandbox, host, site_places, roots.ensure(), private_key)
    boot.start(plan.sandbox, host, site_places)
    state = boot.wait_ready(plan.sandbox, entry, site_places, boot.READY_SECONDS, stop)
    simulated = "".join(f", {count} {name} (simulated)" for name, count in host.simulated_accelerators.items())
    say(f"host {host.name} {host.address} is {state} after {time.monotonic() - begun:.1f} s{simulated}")


def _write_known_hosts(sandbox: Sandbox, site_places: SitePlaces) -> None:
    """Write the keys of all hosts that have one."""
    keys = {}
    for host in sandbox.hosts:
        file = site_places.host(host.name) / "upper/etc/ssh/ssh_host_ed25519_key.pub"
        if file.is_file():
            keys[host.name] = file.read_text(encoding="ascii")
    known = sandbox.model_copy(update={"hosts": tuple(host for host in sandbox.hosts if host.name in keys)})
    secure_shell.write_known_hosts(known, site_places, keys)


def down(
    site: str,
    say: Say = say_to_people,
    *,
    hosts: tuple[str, ...] = (),
    keep_disks: bool = False,
    any_state: bool = False,
) -> DownResult:
    """Take a site's hosts off the machine, or only some of them, and remove their files unless `keep_disks`.

    Works by names alone where the state is gone. `any_state`: also where the state lies under another PORTOLAN_STATE.
    Raises PortolanError where something resists.
    """
    _require_root(site)
    with places.alone(site):
        recorded = places.registered().get(site)
        if not any_state:
            _refuse_other_state(site, SitePlaces(site))
        site_places = SitePlaces(site, recorded)
        found = leftovers.find_one(site)
        for one in found.lines():
            say(f"removing {one}")
        if hosts:
            _some_down(found, site_places, hosts, keep_disks)
            return DownResult(site=site, hosts=hosts)
        if keep_disks:
            _power_off(found)
        removed = {*found.groups, *(directory.name for directory in site_places.hosts.glob("*/"))}
        leftovers.remove(found, site_places.state)
        site_places.hosts_document.unlink(missing_ok=True)
        if not keep_disks:
            mounts.remove_tree(site_places.hosts)
            mounts.remove_tree(site_places.secure_shell)
    say(f"sandbox {site} is down" + (", its hosts' disks are kept" if keep_disks else ""))
    return DownResult(site=site, hosts=tuple(sorted(removed)))


def down_all(say: Say = say_to_people) -> None:
    """Take every sandbox off the machine, also those whose state is gone or lies elsewhere.

    One that resists does not keep the others; its PortolanError is raised when all were tried.
    """
    _require_root("all")
    errors: list[PortolanError] = []
    for found in leftovers.find().values():
        try:
            if found.site is not None:
                down(found.site, say, any_state=True)
                continue
            for one in found.lines():
                say(f"removing {one}")
            leftovers.remove(found, None)
        except PortolanError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _some_down(found: leftovers.Leftovers, site_places: SitePlaces, hosts: tuple[str, ...], keep_disks: bool) -> None:
    unknown = [host for host in hosts if host not in found.groups and not site_places.host(host).is_dir()]
    if unknown:
        raise PortolanError(
            f"sandbox {site_places.site}", f"has no host {', '.join(unknown)}", "see `portolan sandbox list`"
        )
    leftovers.remove_hosts(found, hosts)
    if site_places.hosts_document.is_file():
        document = boot.read_hosts_document(site_places)
        document["hosts"] = [host for host in document["hosts"] if host["name"] not in hosts]
        places.write_if_changed(site_places.hosts_document, json.dumps(document, indent=2) + "\n")
    if not keep_disks:
        for host in hosts:
            mounts.remove_tree(site_places.host(host))


def _power_off(found: leftovers.Leftovers) -> None:
    """Ask every host to end orderly, as a power button does, and wait; what stays is killed afterwards."""
    everything = [path for paths in found.groups.values() for path in paths]
    for process in cgroups.processes(everything):
        if boot.supervised([process]) and process != os.getpid():
            os.kill(process, signal.SIGTERM)  # nspawn hands it on as systemd's own signal for power-off
    deadline = time.monotonic() + POWER_OFF_SECONDS
    while cgroups.processes(everything) and time.monotonic() < deadline:
        time.sleep(0.1)


def _refuse_other_state(site: str, site_places: SitePlaces) -> None:
    recorded = places.registered().get(site)
    if recorded is not None and recorded != site_places.state and recorded.exists():
        if not any(of == site for of, _ in cgroups.find()):
            return  # it is down, and its record only a leftover
        raise PortolanError(
            f"sandbox {site}",
            f"stands already, with its state in {recorded}",
            f"set PORTOLAN_STATE to {recorded.parent.parent}, or give the site another name",
        )


def _require_root(site: str) -> None:
    if os.geteuid() != 0:
        raise PortolanError(
            f"sandbox {site}", "hosts on this machine belong to root", "run the same command as root (sudo -E)"
        )


def describe_up(site: Site) -> list[str]:
    """Return what `up` would do, one line a step; changes nothing."""
    preflight.check(site.name, 0)
    plan = plan_up(site, SitePlaces(site.name))
    lines = []
    for segment in plan.sandbox.segments:
        if not Path("/sys/class/net", segment.bridge).exists():
            lines.append(f"make bridge {segment.bridge} with {segment.gateway}/{segment.network.prefixlen}")
    if len(plan.sandbox.segments) > 1 and not line.stands(site.name):
        lines.append(f"make the line between the locations: {names.line(site.name)}")
    if network.filter_script(plan.sandbox, network.filter_rules()):
        lines.append(f"make iptables chains {names.forward_chain(site.name)} and {names.input_chain(site.name)}")
    for host in plan.sandbox.hosts:
        if host.name in plan.broken:
            lines.append(f"remove what is left of host {host.name}")
        if host.name in plan.start:
            lines.append(f"start host {host.name} at {host.address}")
    return lines
