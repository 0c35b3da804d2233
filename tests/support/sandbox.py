"""The running site that the tests look at: found whole, or brought up by `portolan up`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from portolan import paths
from portolan.conformity.reach import HostAddress, api_client, host_addresses, kubectl
from portolan.conformity.run import site_plan
from portolan.conformity.world import NODE_PORT
from portolan.errors import PortolanError
from portolan.platform.access import access_of
from portolan.sites.loader import load_site
from portolan.sites.schema import HostRole, Site
from portolan.sizing.plan import Plan

REPOSITORY = paths.REPOSITORY
UP_TIMEOUT_SECONDS = 60 * 60  # cold: everything is built from its modules
REQUEST_TIMEOUT_SECONDS = 20
NAMESPACE = "risk-scoring"


def site_file() -> Path:
    """Return the site that the tests look at: `PORTOLAN_TEST_SITE`, else the example sandbox."""
    return Path(os.environ.get("PORTOLAN_TEST_SITE") or REPOSITORY / "sites" / "sandbox.yaml").resolve()


def portolan(*arguments: str | Path, timeout_seconds: float = 300, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line as users do; never raises for its exit code."""
    return subprocess.run(
        [sys.executable, "-c", "from portolan.cli import run; run()", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
        cwd=REPOSITORY,
        **more,
    )


@dataclass(frozen=True)
class Sandbox:
    """A site that stands, and the ways into it."""

    site_path: Path
    site: Site
    plan: Plan
    addresses: dict[str, HostAddress]

    @property
    def state(self) -> Path:
        return paths.site_state(self.site.name)

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def workers(self) -> list[str]:
        return [host.name for host in self.plan.hosts if host.role is HostRole.WORKER]

    @property
    def control_plane(self) -> str:
        return next(host.name for host in self.plan.hosts if host.role is HostRole.CONTROL_PLANE)

    def endpoint(self, host: str | None = None) -> str:
        return f"https://{self.addresses[host or self.workers[0]].address}:{NODE_PORT}"

    def client(self, host: str | None = None) -> httpx.Client:
        """A client of the endpoint that trusts the site's authority and may ask for scores."""
        way = access_of(self.site.name)
        return httpx.Client(
            base_url=self.endpoint(host), headers=way.headers, verify=way.trust(), timeout=20, trust_env=False
        )

    @cached_property
    def api(self) -> Any:
        return api_client(self.kubeconfig)

    @property
    def core(self) -> Any:
        from kubernetes import client

        return client.CoreV1Api(self.api)

    @property
    def objects(self) -> Any:
        from kubernetes import client

        return client.CustomObjectsApi(self.api)

    def inference_service(self) -> dict[str, Any]:
        return self.objects.get_namespaced_custom_object(
            "serving.kserve.io", "v1beta1", NAMESPACE, "inferenceservices", "risk-scoring"
        )

    def ray_job(self) -> dict[str, Any]:
        return self.objects.get_namespaced_custom_object("ray.io", "v1", NAMESPACE, "rayjobs", "risk-training")

    def kubectl(self, *arguments: str, timeout_seconds: float = 120, text: str | None = None) -> str:
        """Run kubectl and return what it printed; an exit code other than 0 fails the test."""
        done = subprocess.run(
            [str(kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout


def find(path: Path) -> Sandbox:
    """Return the site at `path` if it stands whole.

    Raises PortolanError that says what is missing.
    """
    site = load_site(path)
    sandbox = Sandbox(
        site_path=path,
        site=site,
        plan=site_plan(path),
        addresses={address.name: address for address in host_addresses(path)},
    )
    missing = what_is_missing(sandbox)
    if missing:
        raise PortolanError(str(path), missing, "run: portolan up")
    return sandbox


def what_is_missing(sandbox: Sandbox) -> str:
    """Return why the site cannot be tested as it is, empty where it can."""
    from kubernetes import client
    from urllib3.exceptions import HTTPError

    if not sandbox.kubeconfig.is_file():
        return "no kubeconfig"
    try:
        nodes = sandbox.core.list_node(_request_timeout=REQUEST_TIMEOUT_SECONDS).items
        service = sandbox.inference_service()
    except (client.ApiException, HTTPError, OSError) as error:
        return f"the cluster does not answer: {getattr(error, 'reason', None) or error}"
    ready = {node.metadata.name for node in nodes if is_true(node.status.conditions, "Ready")}
    late = sorted({host.name for host in sandbox.plan.hosts} - ready)
    if late:
        return f"not Ready: {', '.join(late)}"
    conditions = service.get("status", {}).get("conditions", [])
    if not any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions):
        return "InferenceService risk-scoring is not Ready"
    return ""


def is_true(conditions: Any, kind: str) -> bool:
    return any(condition.type == kind and condition.status == "True" for condition in conditions or [])


def bring_up(path: Path) -> None:
    """Run `portolan up`, its progress going where this process's does; a failure ends the tests that need it."""
    command = [sys.executable, "-c", "from portolan.cli import run; run()", "up", str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=sys.stderr, timeout=UP_TIMEOUT_SECONDS, check=False)
    # 1: it stands, and a target is not met; that is for the tests to say.
    if done.returncode not in (0, 1):
        raise PortolanError(str(path), f"portolan up ended with exit code {done.returncode}", "see its output above")


def take_down(path: Path) -> None:
    """Run `portolan down`."""
    done = portolan("down", path, timeout_seconds=600)
    if done.returncode != 0:
        raise PortolanError(str(path), f"portolan down ended with exit code {done.returncode}", done.stderr[-500:])
