"""What the tests of the embedded provider share: one real control plane, and stacks run by the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from portolan import paths
from portolan.embedded.kubernetes import kubeconfig
from portolan.embedded.kubernetes.cluster import MERGE_PATCH, Cluster
from portolan.embedded.kubernetes.provider import Provider
from portolan.embedded.kubernetes.settings import settings
from portolan.embedded.plugin import EngineLog

sys.path.insert(0, str(Path(__file__).parent))
from control_plane import ControlPlane, binary

PLUGINS = paths.REPOSITORY / "portolan" / "embedded" / "bin"
# No single run of the engine here has a reason to take longer.
RUN_SECONDS = 90


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a running API server with its controllers; no nodes, so nobody starts pods."""
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


class World:
    """The cluster as somebody other than Pulumi sees and changes it."""

    def __init__(self, path: Path) -> None:
        self.cluster = Cluster(kubeconfig.load(str(path), None, None, None))

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        return self.cluster.get(self.cluster.kind(api_version, kind), namespace, name)

    def list(self, api_version: str, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        return self.cluster.list(self.cluster.kind(api_version, kind), namespace, {})

    def names(self, api_version: str, kind: str, namespace: str = "") -> set[str]:
        return {one["metadata"]["name"] for one in self.list(api_version, kind, namespace)}

    def patch(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        body: Any,
        part: str = "",
        manager: str = "kubectl-edit",
    ) -> dict[str, Any]:
        path = self.cluster.kind(api_version, kind).path(namespace, name) + (f"/{part}" if part else "")
        return self.cluster.request("PATCH", path, {"fieldManager": manager}, body, MERGE_PATCH).body

    def create(self, body: dict[str, Any], namespace: str = "") -> dict[str, Any]:
        path = self.cluster.kind(body["apiVersion"], body["kind"]).path(namespace)
        return self.cluster.request("POST", path, {}, body).body

    def mark(self, api_version: str, kind: str, namespace: str, name: str, status: dict[str, Any]) -> None:
        """Set an object's status, as the controllers and kubelets of a whole cluster would."""
        self.patch(api_version, kind, namespace, name, {"status": status}, "status", "kubelet")


@pytest.fixture(scope="session")
def world(control_plane: ControlPlane) -> World:
    """Give the cluster as somebody else sees it."""
    return World(control_plane.kubeconfig)


class Log(EngineLog):
    """Keeps what the provider says."""

    def __init__(self) -> None:
        super().__init__("")
        self.said: list[str] = []

    def _say(self, severity: Any, urn: str, message: str, ephemeral: bool) -> None:
        self.said.append(message)


@pytest.fixture
def log() -> Log:
    """Give a log that can be read."""
    return Log()


MakeProvider = Callable[..., Provider]


@pytest.fixture
def make_provider(control_plane: ControlPlane, log: Log) -> MakeProvider:
    """Give providers for the control plane, with settings by their Pulumi names."""

    def make(cancelled: threading.Event | None = None, **arguments: Any) -> Provider:
        given = {"kubeconfig": str(control_plane.kubeconfig), **arguments}
        return Provider(settings(given, {}), log, cancelled or threading.Event())

    return make


@pytest.fixture
def provider(make_provider: MakeProvider) -> Provider:
    """Give a provider with default settings."""
    return make_provider()


@pytest.fixture
def namespace(world: World, request: pytest.FixtureRequest) -> str:
    """Give a new namespace."""
    made = world.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}})
    name: str = made["metadata"]["name"]
    return name


@dataclass
class Done:
    """A finished run of the engine."""

    code: int
    text: str


@dataclass
class Stack:
    """One Pulumi project with one stack, run by the real engine against a state on disk."""

    folder: Path
    environment: dict[str, str]
    options: list[str] = field(default_factory=lambda: ["--non-interactive", "--stack", "dev"])

    def program(self, text: str) -> None:
        """Write the program."""
        head = (
            "import json, os, pulumi\nimport pulumi_kubernetes as k8s\nfrom pulumi import ResourceOptions as Options\n"
        )
        (self.folder / "__main__.py").write_text(head + textwrap.dedent(text))

    def run(self, *arguments: str, **environment: str) -> Done:
        """Run the engine and return what it said."""
        done = subprocess.run(
            [binary("pulumi"), *arguments, *self.options],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
        )
        return Done(done.returncode, done.stdout)

    def up(self, *arguments: str, **environment: str) -> Done:
        """Run `pulumi up` and insist that it succeeds."""
        done = self.run("up", "--yes", "--skip-preview", *arguments, **environment)
        assert done.code == 0, done.text
        return done

    def export(self) -> list[dict[str, Any]]:
        """Return the resources of the state."""
        exported = subprocess.run(
            [binary("pulumi"), "stack", "export", "--stack", "dev"],
            cwd=self.folder,
            env=self.environment,
            check=True,
            capture_output=True,
            timeout=RUN_SECONDS,
        )
        resources: list[dict[str, Any]] = json.loads(exported.stdout)["deployment"].get("resources") or []
        return resources

    def resource(self, name: str) -> dict[str, Any]:
        """Return one resource of the state by its name in the program."""
        return next(one for one in self.export() if one["urn"].endswith(f"::{name}"))


@pytest.fixture(scope="module")
def make_stack(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Stack]]:
    """Give new stacks; what they still hold at the end is destroyed."""
    made: list[Stack] = []

    def make() -> Stack:
        folder = tmp_path_factory.mktemp("program")
        (folder / "Pulumi.yaml").write_text("name: harbour\nruntime: python\n")
        (folder / "__main__.py").touch()
        backend = folder / "backend"
        backend.mkdir()
        path = os.pathsep.join([str(PLUGINS), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {
            **os.environ,
            "PATH": path,
            "KUBECONFIG": str(control_plane.kubeconfig),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{backend}",
            "PULUMI_CONFIG_PASSPHRASE": "tests only",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        environment.pop("PULUMI_CONFIG", None)
        stack = Stack(folder, environment)
        stack.options = ["--non-interactive"]
        created = stack.run("stack", "init", "dev")
        assert created.code == 0, created.text
        stack.options = ["--non-interactive", "--stack", "dev"]
        made.append(stack)
        return stack

    yield make
    for stack in made:
        if stack.export():
            stack.run("destroy", "--yes", "--skip-preview")
