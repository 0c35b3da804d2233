"""Start one host and wait until it serves: systemd-nspawn, detached, in its own control groups and mount namespace.

The overlay is mounted in a private mount namespace, so that it ends with the host's last process: whatever is
killed, no mount stays behind on the machine.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.sandbox import cgroups, hostfiles, names, network, places, roots, secure_shell
from portolan.sandbox.facts import BUNDLE_PATH
from portolan.sandbox.places import SitePlaces
from portolan.sandbox.spec import Sandbox, SandboxHost

READY_SECONDS = 90.0
VOLUMES = {"containerd": "/var/lib/containerd", "kubelet": "/var/lib/kubelet"}  # no overlay on an overlay
RUNNING_STATES = ("running", "degraded")


class HostRecord(Model):
    """What a host keeps for as long as it exists, however often it is started."""

    address: IPv4Address
    machine_id: str
    root: str  # content digest of its lower layer


def read_record(site_places: SitePlaces, host: str) -> HostRecord | None:
    """Return a host's record, or None where it has none yet."""
    path = site_places.host(host) / "host.json"
    if not path.is_file():
        return None
    try:
        return HostRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise PortolanError(
            str(path), "is damaged", f"take the host down: portolan sandbox down {site_places.site}"
        ) from error


def kept_addresses(site_places: SitePlaces) -> dict[str, IPv4Address]:
    """Return the addresses of the site's existing hosts: as hosts.json tells, and as their own records tell."""
    found = {}
    if site_places.hosts_document.is_file():
        found = {host["name"]: IPv4Address(host["address"]) for host in read_hosts_document(site_places)["hosts"]}
    for directory in sorted(site_places.hosts.glob("*/")):
        record = read_record(site_places, directory.name)
        if record is not None:
            found[directory.name] = record.address
    return found


def prepare(sandbox: Sandbox, host: SandboxHost, site_places: SitePlaces, content: str, authorized_key: str) -> str:
    """Make or complete a host's directory and return its sshd's public key. A host that ran before keeps its disk."""
    directory = site_places.host(host.name)
    for name in ("upper", "work", "root", *(f"volumes/{volume}" for volume in VOLUMES)):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "upper").chmod(0o755)
    record = read_record(site_places, host.name)
    if record is None:
        record = HostRecord(address=host.address, machine_id=uuid.uuid4().hex, root=content)
        places.write_if_changed(directory / "host.json", record.model_dump_json() + "\n")
    lower = roots.unpacked(record.root)
    if not lower.is_dir():
        raise PortolanError(
            str(lower),
            f"the root that host {host.name} was made from is gone",
            f"make its hosts anew: portolan sandbox down {sandbox.site}, then up",
        )
    layer = hostfiles.Layer(lower, directory / "upper")
    public_key = hostfiles.write(layer, sandbox, host, record.machine_id, authorized_key)
    script = start_script(sandbox, host, directory, lower, record.machine_id)
    places.write_if_changed(directory / "start", script, 0o755)
    return public_key


def start_script(sandbox: Sandbox, host: SandboxHost, directory: Path, lower: Path, machine_id: str) -> str:
    """Return the script that becomes the host: it takes the control groups' directories as arguments."""
    root = directory / "root"
    for path in (directory, lower, places.bundle()):
        if set(str(path)) & set(",:\\"):
            raise PortolanError(str(path), "mount options part at commas and colons", "choose a path without them")
    overlay = f"lowerdir={lower},upperdir={directory / 'upper'},workdir={directory / 'work'}"
    nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={root}",
        f"--machine={host.machine}",
        f"--hostname={host.name}",
        f"--uuid={machine_id}",
        *("--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        f"--network-bridge={host.segment.bridge}",
        "--capability=all",
        # The last one is how an NFS server in user space finds a file again by what a client keeps of it.
        "--system-call-filter=add_key keyctl bpf open_by_handle_at",
        "--bind=/dev/kmsg",
        *(f"--bind={directory / 'volumes' / volume}:{target}" for volume, target in VOLUMES.items()),
        f"--bind-ro={places.bundle()}:{BUNDLE_PATH}",
        "--console=read-only",
    ]
    return f"""\
#!/bin/sh
# Become the host {host.name} of the sandbox {sandbox.site}; the arguments are its control groups.
set -eu
if [ "${{1:-}}" != --inside ]; then
  for group in "$@"; do echo $$ > "$group/cgroup.procs"; done
  exec unshare --mount --propagation private -- "$0" --inside
fi
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=0755 tmpfs /run/systemd/nspawn
mount -t overlay -o {shlex.quote(overlay)} {names.cgroup(sandbox.site, host.name)} {shlex.quote(str(root))}
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1
exec {shlex.join(nspawn)}
"""


def start(sandbox: Sandbox, host: SandboxHost, site_places: SitePlaces) -> None:
    """Start a prepared host; it goes on when this process ends."""
    groups = cgroups.make(names.cgroup(sandbox.site, host.name))
    network.remove_link(names.veth(host.machine))  # of a host that was killed a moment ago
    site_places.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    with site_places.console_log(host.name).open("ab") as log:
        subprocess.Popen(
            [str(site_places.host(host.name) / "start"), *map(str, groups)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        )


def supervised(processes: Iterable[int]) -> bool:
    """Tell whether systemd-nspawn, or the script that becomes it, is among a host's processes.

    A host whose nspawn was killed runs on without a console and without anybody to end it orderly: it is no whole
    host, and `up` starts it again.
    """
    for process in processes:
        try:
            executable = Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
        except OSError:  # ended meanwhile
            continue
        if executable in ("systemd-nspawn", "start", "unshare") and _parent_is_outside(process, processes):
            return True
    return False


def _parent_is_outside(process: int, processes: Iterable[int]) -> bool:
    """Tell whether a process is the host's first: what runs inside a host has its parent inside as well."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return int(status.rpartition(")")[2].split()[1]) not in set(processes)


def banner(address: str, port: int, seconds: float = 0.5) -> bool:
    """Tell whether an SSH server answers there."""
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def system_state(site_places: SitePlaces, host: dict[str, Any], wait: bool) -> str | None:
    """Return systemd's word for the host's state (`running`, `degraded`, `starting` ...), None where unreachable."""
    ask = ["sudo", "-n", "systemctl", "is-system-running", *(("--wait",) if wait else ())]
    return secure_shell.ask(site_places, host, ask, READY_SECONDS if wait else 15)


def wait_ready(
    sandbox: Sandbox, host: dict[str, Any], site_places: SitePlaces, seconds: float, stop: threading.Event
) -> str:
    """Wait until a host's sshd answers and its systemd has reached running or degraded; return which.

    Raises PortolanError, with the console's last lines, where it takes longer than `seconds`, or the host ends, or
    `stop` is set meanwhile.
    """
    deadline = time.monotonic() + seconds
    what = "its SSH server did not answer"
    key = (sandbox.site, host["name"])
    started = time.monotonic()
    while time.monotonic() < deadline and not stop.is_set():
        if banner(host["address"], host["ssh_port"], 2):
            state = system_state(site_places, host, wait=True)
            if state in RUNNING_STATES:
                return str(state)
            what = f"its system is {state or 'not to be asked over SSH'}"
        elif time.monotonic() - started > 2 and not cgroups.processes(cgroups.find().get(key, [])):
            what = "it ended"
            break
        stop.wait(0.1)
    raise PortolanError(
        f"host {host['name']}",
        f"{what} within {seconds:g} s; its console ends with:\n{console_tail(site_places, host['name'])}",
        f"read {site_places.console_log(host['name'])}, then run `portolan sandbox up` again",
    )


def console_tail(site_places: SitePlaces, host: str, lines: int = 12) -> str:
    """Return the last lines that a host printed on its console."""
    try:
        text = site_places.console_log(host).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(nothing)"
    return os.linesep.join(f"    {line}" for line in text.splitlines()[-lines:])


def document_hosts(document: dict[str, Any], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entries of hosts.json with these names."""
    return [host for host in document["hosts"] if host["name"] in wanted]


def read_hosts_document(site_places: SitePlaces) -> dict[str, Any]:
    """Return the content of hosts.json.

    Raises PortolanError where there is none, or it is damaged.
    """
    path = site_places.hosts_document
    remedy = "run `portolan sandbox up SITE` (again)"
    if not path.is_file():
        raise PortolanError(f"sandbox {site_places.site}", "has no hosts", remedy)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PortolanError(str(path), f"is damaged: {error}", remedy) from error
    return found
