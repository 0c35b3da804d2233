"""The sandbox's SSH key, the hosts' own keys, and how to reach a host."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from portolan.errors import PortolanError
from portolan.sandbox.places import SitePlaces, write_if_changed
from portolan.sandbox.processes import run
from portolan.sandbox.spec import Sandbox


def ensure_private_key(sandbox: Sandbox, places: SitePlaces) -> Path:
    """Return the key that opens the hosts: the site's own where it names one, else one made here (mode 0600)."""
    if sandbox.private_key is not None:
        path = Path(sandbox.private_key).expanduser().absolute()
        if not path.is_file() or not path.with_name(path.name + ".pub").is_file():
            raise PortolanError(
                f"site {sandbox.site}, hosts.ssh.private_key",
                f"{path} and {path.name}.pub do not both exist",
                "give the path of a key pair, or leave the key out: the sandbox makes one",
            )
        return path
    places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = places.secure_shell / "id_ed25519"
    ensure_key(path, f"portolan@{sandbox.site}")
    return path


def ensure_key(path: Path, comment: str) -> str:
    """Make an Ed25519 key pair unless a whole one is there; return the public key's line."""
    public = path.with_name(path.name + ".pub")
    if not (path.is_file() and public.is_file()):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)  # half a pair of a killed run: ssh-keygen would ask
        public.unlink(missing_ok=True)
        run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)],
            remedy="install openssh-client",
        )
    return public.read_text(encoding="ascii").strip()


def write_known_hosts(sandbox: Sandbox, places: SitePlaces, public_keys: dict[str, str]) -> None:
    """Write the hosts' own keys, so that nobody has to accept one."""
    lines = []
    for host in sandbox.hosts:
        name = str(host.address) if sandbox.ssh_port == 22 else f"[{host.address}]:{sandbox.ssh_port}"
        lines.append(f"{name} {' '.join(public_keys[host.name].split()[:2])}\n")
    write_if_changed(places.secure_shell / "known_hosts", "".join(lines), 0o600)


def command(places: SitePlaces, host: dict[str, Any], remote: Sequence[str], terminal: bool = False) -> list[str]:
    """Return the ssh command line for a host of hosts.json; `remote` is empty for a login shell."""
    return [
        *("ssh", "-F", "none", "-i", host["private_key"], "-p", str(host["ssh_port"])),
        *("-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
        *("-o", f"UserKnownHostsFile={places.secure_shell / 'known_hosts'}", "-o", "ConnectTimeout=5"),
        *("-o", "LogLevel=ERROR", *(("-t",) if terminal else ())),
        f"{host['ssh_user']}@{host['address']}",
        *(("--", *remote) if remote else ()),
    ]


def ask(places: SitePlaces, host: dict[str, Any], remote: Sequence[str], timeout_seconds: float) -> str | None:
    """Run a command on a host and return what it printed, whatever its exit status; None where it was not reached."""
    try:
        done = subprocess.run(
            command(places, host, remote),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode == 255 else done.stdout.strip()
