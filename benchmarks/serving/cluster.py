"""Servers as InferenceServices of a site's cluster: one worker node, one core each, the load from a control-plane host.

Model, programs and the peers' packages are copied to that node and mounted, all servers run in the image of the risk
scoring: the cluster needs no image and no network that it does not have.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.bare import generator_answer, options_of
from benchmarks.serving.environments import interpreter
from benchmarks.serving.servers import HERE, OURS, PROGRAMS, Server
from portolan import paths
from portolan.bundle.view import Bundle
from portolan.conformity.reach import HostAddress, host_addresses, kubeconfig, kubectl
from portolan.errors import PortolanError
from portolan.output import people
from portolan.sites.loader import load_site
from portolan.sites.schema import HostRole

NAMESPACE = "serving-benchmark"
FOLDER = "/var/lib/portolan/serving-benchmark"  # on the hosts
MOUNT = "/benchmark"  # in the pods
PORT = 8080
READY_SECONDS = 180
CONTAINER = "kserve-container"
# Prints the processor seconds and the MiB of proportional share of all processes under the container's first one.
USED = """\
import os
from pathlib import Path
parents, ticks, kib = {}, 0, 0
for entry in Path("/proc").iterdir():
    if entry.name.isdigit():
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
family = [1]
for one in family:
    family += [child for child, parent in parents.items() if parent == one]
for one in family:
    try:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            kib += int(line.split()[1]) if line.startswith("Pss:") else 0
    except OSError:
        pass
print(ticks / os.sysconf("SC_CLK_TCK"), kib / 1024)
"""


def object_name(server: str) -> str:
    """Return a server's name as Kubernetes takes it.

    >>> object_name("portolan with reasons")
    'portolan-with-reasons'
    """
    return re.sub(r"[^a-z0-9]+", "-", server.lower())


def namespace() -> dict[str, Any]:
    """Return the namespace; its pods mount a folder of their node, which only `privileged` allows."""
    labels = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "warn", "audit")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def inference_service(server: Server, image: str, node: str) -> dict[str, Any]:
    """Return the InferenceService of a server, pinned to a node and held to one core."""
    python = "python" if server.runtime == OURS else "/usr/bin/python3"
    places = {"python": python, "work": MOUNT, "programs": f"{MOUNT}/programs", "address": "0.0.0.0", "port": PORT}
    command, environment = server.filled(**places)
    environment = {"OMP_NUM_THREADS": "1", "HOME": "/tmp", **environment}
    if server.runtime != OURS:
        environment["PYTHONPATH"] = f"{MOUNT}/packages-{server.runtime}"
    container = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command[:1],
        "args": command[1:],
        "workingDir": "/tmp",
        "env": [{"name": name, "value": value} for name, value in sorted(environment.items())],
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 2, "failureThreshold": 60},
        # asks for little, so that a small cluster takes it beside what it serves, and may use a whole core
        "resources": {
            "requests": {"cpu": "50m", "memory": "256Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "benchmark", "mountPath": MOUNT, "readOnly": True},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": object_name(server.name),
            "namespace": NAMESPACE,
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "none",
            },
        },
        "spec": {
            "predictor": {
                "minReplicas": 1,
                "nodeSelector": {"kubernetes.io/hostname": node},
                "tolerations": [{"operator": "Exists"}],
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [container],
                "volumes": [
                    {"name": "benchmark", "hostPath": {"path": FOLDER, "type": "Directory"}},
                    {"name": "scratch", "emptyDir": {}},
                ],
            }
        },
    }


@dataclass(frozen=True)
class Pod:
    """A server in a pod, and the host from which it is asked."""

    cluster: Cluster
    name: str
    url: str
    bodies: str

    def cpu_seconds(self) -> float:
        """Return the processor time that its container has used."""
        return self._used()[0]

    def memory_mebibytes(self) -> float:
        """Return its container's proportional share of memory (PSS)."""
        return self._used()[1]

    def load(self, **options: float) -> Mapping[str, Any]:
        """Ask it by the load generator on the control-plane host."""
        command = [f"{FOLDER}/load", "-url", self.url, "-bodies", f"{FOLDER}/{self.bodies}", *options_of(options)]
        return generator_answer([*ssh(self.cluster.asking), *command])

    def _used(self) -> tuple[float, float]:
        said = self.cluster.kubectl("exec", "-n", NAMESPACE, self.name, "-c", CONTAINER, "--", "python3", "-c", USED)
        seconds, mebibytes = map(float, said.split())
        return seconds, mebibytes


@dataclass(frozen=True)
class Cluster:
    """A site's cluster: `serving` is the node of the servers, `asking` the host of the load."""

    kubeconfig: Path
    serving: HostAddress
    asking: HostAddress
    image: str
    name: str = "in cluster"
    together: bool = True

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl and return what it printed. Raises PortolanError where it fails."""
        command = [str(kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PortolanError(f"kubectl {' '.join(arguments[:4])}", done.stderr.strip()[-300:], "see the cluster")
        return done.stdout

    @contextlib.contextmanager
    def running(self, server: Server) -> Iterator[Pod]:
        """An InferenceService that is ready; it is deleted at the end."""
        name = object_name(server.name)
        document = inference_service(server, self.image, self.serving.name)
        self.kubectl("apply", "-f", "-", text=json.dumps(document))
        try:
            yield Pod(self, *self._ready(name, server.path), server.bodies)
        finally:
            self.kubectl("delete", "inferenceservice", name, "-n", NAMESPACE, "--ignore-not-found", "--wait=false")

    def _ready(self, name: str, path: str) -> tuple[str, str]:
        selector = f"serving.kserve.io/inferenceservice={name}"
        deadline = time.monotonic() + READY_SECONDS
        while True:
            found = json.loads(self.kubectl("get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "json"))["items"]
            for pod in found:
                ready = any(
                    one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", [])
                )
                if ready and "deletionTimestamp" not in pod["metadata"]:
                    return pod["metadata"]["name"], f"http://{pod['status']['podIP']}:{PORT}{path}"
            if time.monotonic() > deadline:
                remedy = f"kubectl -n {NAMESPACE} describe pods -l {selector}"
                raise PortolanError(name, f"not ready within {READY_SECONDS} s", remedy)
            time.sleep(1)


def ssh(host: HostAddress) -> list[str]:
    """Return the command line that runs a command on a host as root."""
    key = ["-i", str(host.private_key.expanduser()), "-o", "IdentitiesOnly=yes"] if host.private_key else []
    options = ["-o", "BatchMode=yes", "-o", "LogLevel=ERROR", *key, *host.options.split(), "-p", str(host.port)]
    return ["ssh", *options, f"{host.user}@{host.address}", "sudo", "-n"]


def send(host: HostAddress, source: Path, names: Sequence[str], folder: str) -> None:
    """Copy files and folders of `source` into a folder of a host. Raises PortolanError where that fails."""
    script = f"'mkdir -p {folder} && tar -x -C {folder} --no-same-owner && chmod -R a+rX {folder}'"
    reading = ["tar", "-c", "-C", str(source), "--exclude=__pycache__", *names]
    with subprocess.Popen(reading, stdout=subprocess.PIPE) as packing:
        command = [*ssh(host), "sh", "-c", script]
        done = subprocess.run(command, stdin=packing.stdout, capture_output=True, text=True, check=False)
    if done.returncode or packing.returncode:
        raise PortolanError(host.name, done.stderr.strip()[-300:] or "files could not be copied", "see its disk")


@contextlib.contextmanager
def opened(site_file: Path, work: Path, generator: Path, runtimes: set[str]) -> Iterator[Cluster]:
    """The cluster of a site with all that the servers need; both are cleaned up at the end.

    Raises PortolanError where the site has no cluster, no worker, or no risk scoring image.
    """
    site = load_site(site_file)
    hosts = {host.name: host for host in host_addresses(site_file)}
    of = {role: [hosts[one.name] for one in site.hosts.nodes if one.role is role] for role in HostRole}
    if not of[HostRole.WORKER]:
        raise PortolanError(str(site_file), "the site has no worker", "give a site with one")
    image = Bundle.open(paths.cache()).reference("risk-scoring")
    cluster = Cluster(kubeconfig(site.name), of[HostRole.WORKER][0], of[HostRole.CONTROL_PLANE][0], image)
    people.print(f"copying the model, the programs and the peers' packages to {cluster.serving.name}")
    try:
        send(cluster.serving, work, ["model", "mlserver", "numbers.jsonl"], FOLDER)
        send(cluster.serving, HERE, PROGRAMS, f"{FOLDER}/programs")
        for runtime in sorted(runtimes - {OURS}):
            packages = next(interpreter(runtime).parent.parent.glob("lib/python3.*/site-packages"))
            send(cluster.serving, packages, ["."], f"{FOLDER}/packages-{runtime}")
        send(cluster.asking, generator.parent, [generator.name], FOLDER)
        send(cluster.asking, work, [path.name for path in work.glob("*.jsonl")], FOLDER)
        cluster.kubectl("apply", "-f", "-", text=json.dumps(namespace()))
        yield cluster
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true", "--timeout=120s")
        for host in (cluster.serving, cluster.asking):
            subprocess.run([*ssh(host), "rm", "-rf", FOLDER], capture_output=True, check=False)
