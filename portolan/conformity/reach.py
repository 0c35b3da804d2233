"""How this machine reaches a site: hosts over SSH, the cluster by its kubeconfig, services through a forwarded port."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import testinfra

from portolan import paths
from portolan.errors import PortolanError
from portolan.model import Model

_CONNECT_TIMEOUT_SECONDS = 10
_FORWARD_TIMEOUT_SECONDS = 15


class HostUnreachableError(Exception):
    """A host that answered no more; never a verdict, always a reason."""


class HostAddress(Model):
    """Where a host is, and with what it lets us in."""

    name: str
    address: str
    user: str
    port: int = 22
    private_key: Path | None = None
    options: str = ""  # more ssh options: Ansible's ansible_ssh_common_args


class Answer(Model):
    """What a command on a host gave back."""

    status: int
    output: str
    errors: str


def host_addresses(site: Path, *, standing_only: bool = False) -> tuple[HostAddress, ...]:
    """Return how to reach each host of the site file at `site`: the way that Ansible does.

    Raises PortolanError where a host has no address yet, unless only those that have one are asked for.
    """
    from portolan.inventory.document import inventory
    from portolan.inventory.sources import read_sources

    variables = inventory(read_sources(site))["_meta"]["hostvars"]
    if standing_only:
        variables = {name: of_host for name, of_host in variables.items() if "ansible_host" in of_host}
    for name, of_host in variables.items():
        if "ansible_host" not in of_host:
            raise PortolanError(str(site), f"host {name} does not exist yet", f"run: portolan sandbox up {site}")
    return tuple(
        HostAddress(
            name=name,
            address=of_host["ansible_host"],
            user=of_host["ansible_user"],
            port=of_host["ansible_port"],
            private_key=of_host.get("ansible_ssh_private_key_file"),
            options=of_host.get("ansible_ssh_common_args", ""),
        )
        for name, of_host in variables.items()
    )


class HostConnection:
    """One host over SSH, as root through sudo; all commands share one connection."""

    def __init__(self, address: HostAddress, control_directory: Path) -> None:
        self.address = address
        options = ["-o BatchMode=yes", "-o ServerAliveInterval=5", "-o ServerAliveCountMax=2", address.options]
        if address.private_key is not None:
            options.append("-o IdentitiesOnly=yes")
        self._control_path = control_directory / address.name
        self.host = testinfra.get_host(
            f"ssh://{address.user}@{address.address}:{address.port}",
            sudo=True,
            ssh_identity_file=str(address.private_key.expanduser()) if address.private_key else None,
            ssh_extra_args=" ".join(option for option in options if option),
            controlpath=str(self._control_path),
            timeout=_CONNECT_TIMEOUT_SECONDS,
        )
        self._one_at_a_time = threading.Lock()
        self._lost = ""  # why it was lost; a host that has gone is not waited for again and again

    @property
    def name(self) -> str:
        """Return the host's name in the plan."""
        return self.address.name

    def shell(self, script: str, *arguments: str) -> Answer:
        """Run a POSIX shell script on the host as root; `$1` and so on are the arguments.

        Raises HostUnreachableError where the connection fails.
        """
        quoted = ["sh", "-c", script, "sh", *arguments]
        with self._one_at_a_time:
            if self._lost:
                raise HostUnreachableError(self._lost)
            try:
                result = self.host.run(" ".join(["%s"] * len(quoted)), *quoted)
            except RuntimeError as error:
                self._lost = f"{self.name} ({self.address.address}): {_last_line(error)}"
                raise HostUnreachableError(self._lost) from None
        return Answer(status=result.rc, output=result.stdout, errors=result.stderr)

    def close(self) -> None:
        """End the shared connection; harmless where there is none."""
        if self._control_path.exists():
            command = ["ssh", "-o", f"ControlPath={self._control_path}", "-O", "exit", self.address.address]
            subprocess.run(command, capture_output=True, check=False, timeout=_CONNECT_TIMEOUT_SECONDS)


def _last_line(error: RuntimeError) -> str:
    result = error.args[0] if error.args else error
    text = str(getattr(result, "stderr", result)).strip()
    return text.splitlines()[-1] if text else "connection lost"


@contextmanager
def connections(addresses: tuple[HostAddress, ...]) -> Iterator[dict[str, HostConnection]]:
    """Yield a connection for each host, by name; all are closed at the end."""
    with ExitStack() as stack:
        # A socket's path may have 107 characters, so it cannot lie under the state directory.
        control = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portolan-ssh-")))
        opened = {address.name: HostConnection(address, control) for address in addresses}
        for connection in opened.values():
            stack.callback(connection.close)
        yield opened


def kubeconfig(site: str) -> Path:
    """Return the site's kubeconfig.

    Raises PortolanError where there is none yet.
    """
    path = paths.site_state(site) / "kubeconfig"
    if not path.is_file():
        raise PortolanError(
            str(path), f"site {site} has no cluster yet", "run: portolan up, or copy its kubeconfig here"
        )
    return path


def api_client(path: Path) -> Any:
    """Return a Kubernetes API client for the kubeconfig at `path`.

    Raises PortolanError where the file is no kubeconfig.
    """
    from kubernetes import client, config

    try:
        api = config.new_client_from_config(str(path))
    except (config.ConfigException, OSError, TypeError, ValueError) as error:
        raise PortolanError(str(path), f"not a kubeconfig: {error}", "write it again with: portolan up") from None
    # A server that has gone is noticed at once, not after urllib3's three patient attempts.
    api.configuration.retries = False
    return client.ApiClient(api.configuration)


def kubectl() -> Path:
    """Return the kubectl to use: the one on PATH, else the bundle's.

    Raises PortolanError where there is neither.
    """
    found = shutil.which("kubectl")
    bundled = paths.cache() / "bundle" / "bin" / "kubectl"
    if found:
        return Path(found)
    if bundled.is_file():
        return bundled
    raise PortolanError(str(bundled), "no kubectl here and none on PATH", "run: portolan bundle build")


@contextmanager
def forwarded(kubeconfig_path: Path, namespace: str, target: str, port: int) -> Iterator[int]:
    """Yield a local port that leads to a pod or service of the cluster (`kubectl port-forward`).

    Raises HostUnreachableError where the port cannot be forwarded.
    """
    command = [str(kubectl()), f"--kubeconfig={kubeconfig_path}", "port-forward", "-n", namespace, target, f":{port}"]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, "LC_ALL": "C"}
        )
        watchdog = threading.Timer(_FORWARD_TIMEOUT_SECONDS, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            match = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", process.stdout.readline())
            watchdog.cancel()
            if match is None:
                process.wait(_FORWARD_TIMEOUT_SECONDS)
                errors.seek(0)
                raise HostUnreachableError(f"{target} in {namespace}: {errors.read().strip() or 'no port forwarded'}")
            yield int(match.group(1))
        finally:
            watchdog.cancel()
            process.terminate()
            process.wait(_FORWARD_TIMEOUT_SECONDS)
            if process.stdout is not None:
                process.stdout.close()
