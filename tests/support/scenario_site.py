"""A scenario's own site: brought up, reached and taken down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from portolan import paths
from portolan.conformity.reach import HostAddress, host_addresses, kubectl
from portolan.errors import PortolanError
from portolan.sites.loader import load_site
from portolan.sites.schema import HostRole, Site
from tests.support.sandbox import REPOSITORY
from tests.support.sandbox import portolan as run_portolan

T = TypeVar("T")
VERBS = {
    "nothing": (),
    "hosts": (("sandbox", "up"),),
    "cluster": (("sandbox", "up"), ("converge", "--without-platform-images")),
    "platform": (("up",),),
}
STEP_SECONDS = 60 * 60
SSH = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=5", "-o", "LogLevel=ERROR")


@dataclass(frozen=True)
class ScenarioSite:
    """The site of a scenario, and the ways into it."""

    path: Path

    @cached_property
    def site(self) -> Site:
        return load_site(self.path)

    @property
    def state(self) -> Path:
        return paths.site_state(self.site.name)

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def control_planes(self) -> list[str]:
        return [node.name for node in self.site.hosts.nodes if node.role is HostRole.CONTROL_PLANE]

    @property
    def workers(self) -> list[str]:
        return [node.name for node in self.site.hosts.nodes if node.role is HostRole.WORKER]

    @property
    def addresses(self) -> dict[str, HostAddress]:
        return {address.name: address for address in host_addresses(self.path)}

    def stand(self, how: str) -> None:
        """Bring the site up as far as the scenario asks, from nothing."""
        self.take_down()
        for verb in VERBS[how]:
            command = [sys.executable, "-c", "from portolan.cli import run; run()", *verb, str(self.path)]
            done = subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr, timeout=STEP_SECONDS, check=False)
            # 1 of `up`: it stands, and a target is not met; that is for the tests to say.
            if done.returncode not in (0, 1):
                raise PortolanError(str(self.path), f"portolan {' '.join(verb)} failed", "see its output above")

    def take_down(self) -> None:
        """Leave nothing of the site but its logs and evidence."""
        run_portolan("down", self.path, timeout_seconds=600)

    def portolan(self, *arguments: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `portolan ARGUMENTS... SITE` with `more` in its environment; never raises for its exit code."""
        environment = {**os.environ, **(more or {})}
        return run_portolan(*arguments, self.path, timeout_seconds=STEP_SECONDS, env=environment)

    def must(self, *arguments: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `portolan ARGUMENTS... SITE`, which must succeed."""
        done = self.portolan(*arguments, more=more)
        assert done.returncode == 0, f"portolan {' '.join(arguments)}: {done.stdout[-1500:]}{done.stderr[-3000:]}"
        return done

    def on(self, host: str, script: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell script on a host as root; never raises for its exit code."""
        address = next(one for one in host_addresses(self.path, standing_only=True) if one.name == host)
        key = ["-i", str(address.private_key), "-o", "IdentitiesOnly=yes"] if address.private_key else []
        command = ["ssh", *SSH, *key, *address.options.split(), "-p", str(address.port)]
        command += [f"{address.user}@{address.address}", "sudo -n sh -s"]
        return subprocess.run(command, input=script, capture_output=True, text=True, timeout=seconds, check=False)

    def output_of(self, host: str, script: str, seconds: float = 60) -> str:
        """Run a shell script on a host as root, which must succeed, and return what it printed."""
        done = self.on(host, script, seconds)
        assert done.returncode == 0, f"{host}: {script}: {done.stdout}{done.stderr}"
        return done.stdout

    def kubectl(self, *arguments: str, text: str | None = None, seconds: float = 120) -> str:
        """Run kubectl, which must succeed, and return what it printed."""
        done = self.try_kubectl(*arguments, text=text, seconds=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def try_kubectl(
        self, *arguments: str, text: str | None = None, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; never raises for its exit code."""
        command = [str(kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the items that `kubectl get ARGUMENTS -o json` finds."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *arguments, "-o", "json"))["items"]
        return found


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 180, pause_seconds: float = 1) -> T:
    """Look again and again until there is an answer; a failed assertion counts as none yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = look()
            if found:
                return found
            last = "not yet"
        except (AssertionError, ApiException, HTTPError, OSError, subprocess.TimeoutExpired) as error:
            last = str(error)
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s: {last}"
        time.sleep(pause_seconds)
