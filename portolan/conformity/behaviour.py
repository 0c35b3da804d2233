"""How the cluster behaves: conformance facts, pod start, volumes, and the times of its Services and its names."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Needs, Reading, nothing
from portolan.conformity.cluster import nodes
from portolan.conformity.depth import Depth, by_depth
from portolan.conformity.endpoints import percentile
from portolan.conformity.judge import version
from portolan.conformity.links import worst
from portolan.conformity.probe import Probe, UnreadableOutputError, document

if TYPE_CHECKING:
    from portolan.conformity.world import World

TIMEOUT_SECONDS = 10
NAMESPACE = "risk-scoring"  # of the platform's namespaces the one that tenants' pods run in
STARTS = 5
START_LIMIT_SECONDS = 60
CALLS = 200
PERCENTILES = {"p50": 50.0, "p99": 99.0}
# The API groups whose stable version Kubernetes' conformance suite calls. Source: its conformance.yaml of v1.36.
GROUPS = (
    "admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1", "apiregistration.k8s.io/v1", "apps/v1",
    "authentication.k8s.io/v1", "authorization.k8s.io/v1", "autoscaling/v1", "autoscaling/v2", "batch/v1",
    "certificates.k8s.io/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1", "events.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1", "networking.k8s.io/v1", "node.k8s.io/v1", "policy/v1",
    "rbac.authorization.k8s.io/v1", "scheduling.k8s.io/v1", "storage.k8s.io/v1",
)  # fmt: skip
NEWER = 100.0  # of a kubelet that is newer than the API server, which no skew allows
# Calls from a host: TCP to a Service ($1 address, $2 port), and names asked of the resolver $3. Prints one document.
TIMES = r"""
import json, socket, struct, sys, time
address, port, server, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
name = "kubernetes.default.svc.cluster.local"
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
def connect():
    socket.create_connection((address, port), timeout=5).close()
def look_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(5)
        link.sendto(struct.pack(">HHHHHH", 4242, 0x0100, 1, 0, 0, 0) + question, (server, 53))
        link.recv(4096)
found = {"service": [timed(connect) for _ in range(count)], "name": [timed(look_up) for _ in range(count)]}
print(json.dumps({key: [round(value, 7) for value in values] for key, values in found.items()}))
"""


def read_times(output: str) -> Mapping[str, Reading]:
    """Return percentiles of the times in which a Service and the resolver answered."""
    found, readings = document(output, "service", "name"), {}
    for key in ("service", "name"):
        values = sorted(float(value) for value in found[key])
        if len(values) < CALLS // 2:
            raise UnreadableOutputError(f"{len(values)} calls are too few for a percentile")
        for statistic, percent in PERCENTILES.items():
            readings[f"{key}/{statistic}"] = Reading(percentile(values, percent), detail=f"{len(values)} calls")
    return readings


TIMES_PROBE = Probe("service-times", "python3", lambda depth, seconds: ("python3", "-c", TIMES), read_times,
                    seconds=by_depth(5), alone=True)  # fmt: skip


def _times(key: str) -> Callable[[World, str, str], Reading]:
    def measure(world: World, subject: str, statistic: str) -> Reading:
        core = world.core
        service = core.read_namespaced_service("kubernetes", "default", _request_timeout=TIMEOUT_SECONDS)
        resolver = core.read_namespaced_service("kube-dns", "kube-system", _request_timeout=TIMEOUT_SECONDS)
        argv = (
            "python3", "-c", TIMES, service.spec.cluster_ip, str(service.spec.ports[0].port), resolver.spec.cluster_ip,
            str(CALLS),
        )  # fmt: skip

        def from_host(name: str) -> Reading:
            run = world.remember(
                f"service-times/{name}",
                lambda: TIMES_PROBE.run_argv(world, name, argv, TIMES_PROBE.seconds[world.depth], time.monotonic()),
            )
            return TIMES_PROBE.reading(run, f"{key}/{statistic}")

        return worst({f"from {name}": from_host(name) for name in world.hosts}, smallest=False)

    return measure


def missing_groups(served: Sequence[str]) -> Reading:
    """Return how many of the groups that conformance calls are not served."""
    missing = [name for name in GROUPS if name not in served]
    return Reading(float(len(missing)), detail=f"missing: {', '.join(missing)}" if missing else f"{len(GROUPS)} served")


def conformance(world: World, subject: str, statistic: str) -> Reading:
    """Return how many API groups of Kubernetes' conformance the cluster does not serve."""
    from kubernetes import client

    found = client.ApisApi(world.api).get_api_versions(_request_timeout=TIMEOUT_SECONDS)
    return missing_groups([entry.group_version for group in found.groups for entry in group.versions])


def skew(server: str, kubelets: Sequence[str]) -> Reading:
    """Return by how many minor versions the oldest kubelet is behind the API server.

    >>> skew("v1.36.3", ["v1.35.0", "v1.36.3"]).value
    1.0
    """
    known = [number for text in kubelets if (number := version(text)) is not None and len(number) >= 2]
    own = version(server)
    if own is None or len(own) < 2 or len(known) < len(kubelets) or not known:
        return nothing("the API server or a node tells no version")
    if any(number[:2] > own[:2] for number in known):
        return Reading(NEWER, detail=f"a kubelet is newer than the API server {server}")
    behind = max((own[0] - number[0]) * NEWER + own[1] - number[1] for number in known)
    return Reading(float(behind), detail=f"{len(known)} kubelets behind {server}")


def version_skew(world: World, subject: str, statistic: str) -> Reading:
    """Return by how many minor versions the oldest kubelet is behind the API server."""
    from kubernetes import client

    server = client.VersionApi(world.api).get_code(_request_timeout=TIMEOUT_SECONDS).git_version
    return skew(server, [node.status.node_info.kubelet_version for node in nodes(world)])


def small_image(found: Sequence[Any]) -> str:
    """Return the image of the pause container, which every node has; empty where none tells it."""
    names = [name for node in found for image in node.status.images or [] for name in image.names or []]
    return next((name for name in names if "/pause:" in name or name.startswith("pause:")), "")


def still_pod(name: str, image: str, claim: str = "") -> dict[str, Any]:
    """Return a pod that does nothing, wants next to nothing and obeys the strictest pod security."""
    amounts = {"cpu": "10m", "memory": "16Mi"}
    container: dict[str, Any] = {
        "name": "still", "image": image, "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                            "readOnlyRootFilesystem": True},
    }  # fmt: skip
    spec: dict[str, Any] = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65535, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 0,
        "restartPolicy": "Never", "containers": [container],
    }  # fmt: skip
    if claim:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    labels = {"app.kubernetes.io/managed-by": "portolan-verify"}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


@contextmanager
def probe_pod(world: World, body: dict[str, Any]) -> Iterator[float]:
    """Yield the seconds from asking for a pod until it is Ready; the pod goes afterwards.

    Raises LookupError where it is not Ready in time, with what its last event or condition says.
    """
    from kubernetes import watch

    name, core, begin = body["metadata"]["name"], world.core, time.monotonic()
    core.create_namespaced_pod(NAMESPACE, body, _request_timeout=TIMEOUT_SECONDS)
    try:
        said = "nothing was said of it"
        for event in watch.Watch().stream(
            core.list_namespaced_pod, NAMESPACE, field_selector=f"metadata.name={name}",
            timeout_seconds=START_LIMIT_SECONDS, _request_timeout=START_LIMIT_SECONDS + TIMEOUT_SECONDS,
        ):  # fmt: skip
            conditions = {entry.type: entry for entry in event["object"].status.conditions or []}
            ready = conditions.get("Ready")
            if ready is not None and ready.status == "True":
                break
            told = [entry for entry in conditions.values() if entry.status != "True" and entry.message]
            said = told[0].message if told else said
        else:
            raise LookupError(f"pod {name} was not Ready in {START_LIMIT_SECONDS} s: {said}")
        yield time.monotonic() - begin
    finally:
        core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0, _request_timeout=TIMEOUT_SECONDS)


def _image(world: World) -> str:
    found = small_image(nodes(world))
    if not found:
        raise LookupError("no node names the image of its pause container, which a probe would start")
    return found


def start_times(world: World) -> list[float]:
    """Return the seconds of each start of a pod, one after the other."""

    def start() -> list[float]:
        image, seconds = _image(world), []
        for _ in range(STARTS):
            with probe_pod(world, still_pod(f"portolan-start-{secrets.token_hex(4)}", image)) as one:
                seconds.append(one)
        return seconds

    return world.remember("pod-starts", start)


def pod_start(world: World, subject: str, statistic: str) -> Reading:
    """Return how long it takes from asking for a pod until it is Ready, its image being there."""
    seconds = sorted(start_times(world))
    value = seconds[-1] if statistic == "max" else percentile(seconds, 50)
    raw = json.dumps([round(one, 4) for one in seconds]) + "\n"
    return Reading(round(value, 4), detail=f"{len(seconds)} pods, one after the other", raw=raw)


def class_for_probe(classes: Sequence[Any]) -> tuple[str, str]:
    """Return the class that a probe may take a volume of, or why there is none: a volume that is kept is used up."""
    if not classes:
        return "", "the cluster has no storage class"
    default = "storageclass.kubernetes.io/is-default-class"
    ordered = sorted(classes, key=lambda one: (one.metadata.annotations or {}).get(default) != "true")
    for one in ordered:
        if one.reclaim_policy == "Delete" and one.provisioner != "kubernetes.io/no-provisioner":
            return str(one.metadata.name), ""
    names = ", ".join(one.metadata.name for one in ordered)
    return "", f"class {names} makes no volumes of its own or keeps them: a probe would use one up"


def volume_attach(world: World, subject: str, statistic: str) -> Reading:
    """Return how long it takes from asking for a volume until a pod that mounts it is Ready."""
    from kubernetes import client

    classes = client.StorageV1Api(world.api).list_storage_class(_request_timeout=TIMEOUT_SECONDS).items
    chosen, reason = class_for_probe(classes)
    if not chosen:
        return nothing(reason)
    name = f"portolan-volume-{secrets.token_hex(4)}"
    claim = {
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": chosen,
                 "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip
    image, begin = _image(world), time.monotonic()
    world.core.create_namespaced_persistent_volume_claim(NAMESPACE, claim, _request_timeout=TIMEOUT_SECONDS)
    try:
        with probe_pod(world, still_pod(name, image, claim=name)):
            return Reading(round(time.monotonic() - begin, 3), detail=f"a volume of 1 GiB, class {chosen}")
    finally:
        world.core.delete_namespaced_persistent_volume_claim(name, NAMESPACE, _request_timeout=TIMEOUT_SECONDS)


def reread_starts(raw: str, statistic: str) -> Reading:
    """Return the start time again from what was kept."""
    seconds = sorted(float(one) for one in json.loads(raw))
    return Reading(seconds[-1] if statistic == "max" else percentile(seconds, 50))


_TIMED = Needs(tools=("python3",), alone=True, seconds=by_depth(5), shares="service-times")
CHECKS = (
    Check("cluster.conformance-groups", "API groups of Kubernetes' conformance that are not served", "groups",
          "GET /apis", conformance, depth=Depth.STANDARD),
    Check("cluster.version-skew", "minor versions by which the oldest kubelet is behind the API server",
          "minor versions", "GET /version, GET /api/v1/nodes", version_skew, depth=Depth.STANDARD),
    Check("cluster.service-seconds", "time in which a Service takes a connection, from the worst host", "seconds",
          f"{CALLS} connections to Service kubernetes", _times("service"), tuple(PERCENTILES), Depth.STANDARD,
          "measured", _TIMED, lambda raw, statistic: TIMES_PROBE.reread(raw, f"service/{statistic}")),
    Check("cluster.dns-seconds", "time in which the cluster's resolver answers, from the worst host", "seconds",
          f"{CALLS} DNS queries to Service kube-dns", _times("name"), tuple(PERCENTILES), Depth.STANDARD,
          "measured", _TIMED, lambda raw, statistic: TIMES_PROBE.reread(raw, f"name/{statistic}")),
    Check("cluster.pod-start-seconds", f"time from asking for a pod until it is Ready, {STARTS} pods in turn",
          "seconds", "POST pods; watch", pod_start, ("p50", "max"), Depth.STANDARD, "measured",
          Needs(alone=True, seconds=by_depth(15), shares="pod-starts"), reread_starts),
    Check("cluster.volume-attach-seconds", "time from asking for a volume until a pod that mounts it is Ready",
          "seconds", "POST persistentvolumeclaims, pods; watch", volume_attach, depth=Depth.STANDARD,
          ground="measured", needs=Needs(alone=True, seconds=by_depth(20))),
)  # fmt: skip
