"""Run the playbook on a site's hosts: `ansible-playbook` in a subprocess, read event by event."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from portolan import paths
from portolan.errors import PortolanError
from portolan.inventory.document import host_address
from portolan.inventory.events import Event, RoleSummary, Tally, TaskSummary
from portolan.inventory.failures import failure
from portolan.inventory.lock import alone
from portolan.inventory.members import on_each, refuse_several
from portolan.inventory.sources import read_sources
from portolan.model import Model
from portolan.sites.clusters import has_several_clusters
from portolan.sites.loader import load_site

ANSIBLE = paths.REPOSITORY / "ansible"
TUNNEL = "tunnel.yml"  # the one playbook that runs on all clusters of a site at once
KEPT_LOGS = 20
SLOWEST_TASKS = 5
# A Unix socket's path has at most 107 characters; ssh adds a name of up to 30 to the directory.
CONTROL_DIRECTORY_CHARACTERS = 75


class ChangedTask(Model):
    """A task that changed a host, or in check mode would."""

    host: str
    role: str
    task: str


class ConvergeResult(Model):
    """What a run did; `hosts` has Ansible's counts."""

    site: str
    check: bool
    seconds: float
    hosts: dict[str, dict[str, int]]
    changed: tuple[ChangedTask, ...]
    roles: tuple[RoleSummary, ...]
    slowest: tuple[TaskSummary, ...]
    log: str


class Options(Model):
    """What a run is narrowed to."""

    check: bool = False
    limit: str | None = None
    tags: str | None = None
    playbook: str = "site.yml"
    extra: tuple[str, ...] = ()


def converge(site_path: Path, options: Options, progress: Callable[[RoleSummary], None]) -> ConvergeResult:
    """Bring a site's hosts to what the playbook says; `progress` hears of each role that was finished.

    Raises PortolanError where hosts are missing, cannot be reached, are refused, or a task fails.
    """
    sources = read_sources(site_path)
    if options.playbook != TUNNEL:
        refuse_several(sources.site, site_path)
    missing = [node.name for node in sources.site.hosts.nodes if host_address(sources, node) is None]
    if missing:
        raise PortolanError(
            str(site_path),
            f"the site's hosts have no address yet: {', '.join(missing)}",
            f"make them first: portolan sandbox up {site_path}",
        )
    state = paths.site_state(sources.site.name)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = _log(state, "check" if options.check else Path(options.playbook).stem)
    started = time.monotonic()
    with alone(state) as lock, _control_directory(state) as control:
        environment = _environment(site_path, state, control)
        tally, code = _run(_command(options), environment, lock, log, progress)
    if tally.failures:
        raise failure(tally.failures, str(log))
    if code != 0 or not tally.ended:
        raise PortolanError(
            "ansible-playbook", _last_words(log) or f"ended with code {code}", f"see the whole log: {log}"
        )
    return ConvergeResult(
        site=sources.site.name,
        check=options.check,
        seconds=round(time.monotonic() - started, 1),
        hosts=tally.hosts,
        changed=tuple(ChangedTask(host=one.host, role=one.role, task=one.task) for one in tally.changed),
        roles=tuple(tally.roles),
        slowest=tuple(tally.slowest(SLOWEST_TASKS)),
        log=str(log),
    )


def converge_all(
    site_path: Path, options: Options, progress: Callable[[RoleSummary], None], location: str | None = None
) -> list[ConvergeResult]:
    """Converge every cluster of a site one after another, then the tunnel that joins them; `location` chooses one.

    Raises PortolanError as `converge` does, at the first cluster that cannot be brought there.
    """
    if not has_several_clusters(load_site(site_path)) or location is not None:
        return on_each(site_path, location, lambda file: converge(file, options, progress))
    if options.limit is not None:
        raise PortolanError(
            str(site_path), f"--limit {options.limit}: the site has several clusters", "choose one by --location too"
        )
    results = []
    if options.tags != "wireguard":
        results = on_each(site_path, None, lambda file: converge(file, options, progress))
    if options.tags is None or "wireguard" in options.tags.split(","):
        tunnel = options.model_copy(update={"playbook": TUNNEL, "tags": None})
        results.append(converge(site_path, tunnel, progress))
    return results


def _command(options: Options) -> list[str]:
    beside = Path(sys.executable).parent / "ansible-playbook"
    program = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if program is None:
        raise PortolanError("ansible-playbook", "not installed", "install Portolan with its dependencies: make prepare")
    command = [program, str(ANSIBLE / options.playbook)]
    if options.check:
        command.append("--check")
    for flag, value in (("--limit", options.limit), ("--tags", options.tags)):
        if value:
            command += [flag, value]
    return command + list(options.extra)


def _environment(site_path: Path, state: Path, control: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_HOME": str(state / "ansible"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "PORTOLAN_SITE": str(site_path.absolute()),
    }


def _run(
    command: list[str], environment: dict[str, str], lock: int, log: Path, progress: Callable[[RoleSummary], None]
) -> tuple[Tally, int]:
    """Run the command to its end, and add its events up."""
    tally = Tally()
    reading, writing = os.pipe()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env={**environment, "PORTOLAN_EVENTS_FD": str(writing)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            # The lock stays held as long as Ansible lives, also when this process is killed.
            pass_fds=(writing, lock),
        )
    os.close(writing)
    try:
        with _terminate_as_interrupt(), os.fdopen(reading, encoding="utf-8") as events:
            for line in events:
                event = Event.model_validate_json(f'{{"event": {line}}}').event
                for role in tally.take(event, time.monotonic()):
                    progress(role)
        return tally, process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM stop the run as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _control_directory(state: Path) -> Iterator[Path]:
    """Yield a directory for SSH's shared connections; they are closed, and it is removed, at the end."""
    directory = state / "ssh" / "control"
    if len(str(directory)) > CONTROL_DIRECTORY_CHARACTERS:
        directory = Path(tempfile.mkdtemp(prefix="portolan-"))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        yield directory
    finally:
        for socket in directory.iterdir():
            command = ["ssh", "-O", "exit", "-o", f"ControlPath={socket}", "-"]
            # A connection that does not hear it, on a machine that is overloaded, ends by itself when it is idle.
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(command, check=False, capture_output=True, timeout=10)
        shutil.rmtree(directory, ignore_errors=True)


def _log(state: Path, name: str) -> Path:
    """Return the path of a new log; only the newest are kept."""
    directory = state / "logs"
    directory.mkdir(exist_ok=True, mode=0o700)
    for old in sorted(directory.glob("converge-*.log"))[: -KEPT_LOGS + 1]:
        old.unlink(missing_ok=True)
    return directory / f"converge-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{name}.log"


def _last_words(log: Path) -> str:
    """Return the error that Ansible ended with, where it never came to a task."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if line.startswith(("ERROR!", "[ERROR]", "[WARNING]:  * Failed", "error:"))]
    return "\n".join(errors[-3:] or lines[-5:])
