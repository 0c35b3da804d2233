"""The throw-away site that the benchmark builds and takes down again, and the ways to run things on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portolan import paths
from portolan.conformity.reach import HostConnection, connections, host_addresses, kubectl
from portolan.errors import PortolanError
from portolan.output import people
from portolan.sites.loader import load_site

SITE = Path(__file__).with_name("site.yaml")
STEP_SECONDS = 30 * 60


@dataclass(frozen=True)
class Bench:
    """The benchmark's site: its file, its hosts, its state."""

    name: str
    site_path: Path
    hosts: Mapping[str, HostConnection]
    control_plane: str

    @property
    def state(self) -> Path:
        """Return the site's state directory."""
        return paths.site_state(self.name)

    @property
    def kubeconfig(self) -> Path:
        """Return the cluster's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def workers(self) -> list[str]:
        """Return the names of all hosts but the control plane."""
        return [name for name in self.hosts if name != self.control_plane]

    def shell(self, host: str, script: str, *arguments: str) -> str:
        """Run a script on a host as root; a failure ends the benchmark."""
        answer = self.hosts[host].shell(script, *arguments)
        if answer.status != 0:
            raise PortolanError(f"host {host}", answer.errors.strip()[-800:], f"see the log of: {script[:80]}")
        return answer.output

    def everywhere(self, script: str) -> None:
        """Run a script on all hosts side by side."""
        with ThreadPoolExecutor(max_workers=len(self.hosts)) as pool:
            list(pool.map(lambda host: self.shell(host, script), self.hosts))

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl; a failure ends the benchmark."""
        return command([str(kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments], text=text)


def command(
    line: list[str], *, text: str | None = None, directory: Path | None = None, more: Mapping[str, str] | None = None
) -> str:
    """Run a command and return its standard output.

    Raises PortolanError with the end of its output where it fails.
    """
    done = subprocess.run(
        line,
        input=text,
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, **(more or {})},
        timeout=STEP_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-1500:]
        raise PortolanError(" ".join(line)[:120], f"exit code {done.returncode}: {said}", "mend it and run it again")
    return done.stdout


def portolan(*arguments: str) -> str:
    """Run the command line as users do."""
    return command(
        [sys.executable, "-c", "from portolan.cli import run; run()", *arguments], directory=paths.REPOSITORY
    )


def timed(what: str, work: Callable[[], object]) -> float:
    """Do the work and return its seconds, telling people."""
    people.print(f"{what} ...", markup=False)
    begin = time.monotonic()
    work()
    seconds = time.monotonic() - begin
    people.print(f"{what}: {seconds:.1f} s", markup=False)
    return seconds


@contextmanager
def standing_hosts(keep: bool, path: Path = SITE) -> Iterator[Bench]:
    """Yield the site with bare hosts; they are gone afterwards unless they are to be kept."""
    site = load_site(path)
    portolan("sandbox", "down", str(path))
    portolan("sandbox", "up", str(path))
    control = next(node.name for node in site.hosts.nodes if node.role.value == "control-plane")
    try:
        with connections(host_addresses(path)) as hosts:
            yield Bench(name=site.name, site_path=path, hosts=hosts, control_plane=control)
    finally:
        if not keep:
            portolan("sandbox", "down", str(path))
