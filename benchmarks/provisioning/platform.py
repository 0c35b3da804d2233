"""`pulumi up` against `kubectl apply --server-side` of the same objects, and what the idle platform uses.

What each side includes: from a cluster without the platform to InferenceService Ready, data loaded and model trained.

- `pulumi up`: the command as users run it, with its awaits.
- `kubectl`: the objects of the stack's state (names and generated secrets included), as a careful operator would apply
  them: namespaces and CRDs first, then workloads, then what needs the operators' webhooks; each wave waits for what the
  next one needs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.figures import Figure, figure
from benchmarks.provisioning.site import SITE, STEP_SECONDS, Bench, portolan, timed
from portolan.errors import PortolanError
from portolan.sandbox import cgroups

LIMIT = 1.5
IDLE_SECONDS = 30
SETTLE_SECONDS = 20
POLL_SECONDS = 0.5
UP = "portolan platform up"
APPLY = "kubectl apply --server-side, in waves, with waits"

Object = dict[str, Any]
FIRST = ("Namespace", "CustomResourceDefinition")
OWN_GROUPS = (
    "v1",
    "apps/",
    "batch/",
    "rbac.",
    "autoscaling/",
    "policy/",
    "storage.",
    "networking.",
    "admission",
    "apiextensions",
    "scheduling.",
)


def objects_of(deployment: dict[str, Any]) -> list[Object]:
    """Return the Kubernetes objects of an exported stack, as they were declared, in the state's order."""
    found = []
    for resource in deployment["deployment"].get("resources", []):
        kind = str(resource["type"])
        inputs = plain(resource.get("inputs", {}))
        if kind.startswith("kubernetes:") and "kind" in inputs and not kind.endswith(":Release"):
            found.append({key: value for key, value in inputs.items() if not key.startswith("__") and key != "status"})
    return found


def plain(value: Any) -> Any:
    """Return a value of the state without Pulumi's envelope around secrets, its names with Kubernetes' own dashes.

    >>> plain({"a": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"x"'}})
    {'a': 'x'}
    >>> plain({"x_kubernetes_int_or_string": True})
    {'x-kubernetes-int-or-string': True}
    """
    if isinstance(value, dict):
        if value.get("4dabf18193072939515e22adb298388d") == "1b47061264138c4ac30d75fd1eb44270" and "plaintext" in value:
            return plain(json.loads(value["plaintext"]))
        return {dashed(key): plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list) else value


def dashed(key: str) -> str:
    """Return a property's name as Kubernetes spells it: Pulumi's SDKs cannot have dashes in extensions of schemas."""
    return key.replace("_", "-") if key.startswith("x_kubernetes_") else key


def waves(objects: Iterable[Object]) -> list[list[Object]]:
    """Return the objects in the order in which an operator applies them.

    Namespaces and CRDs; everything of Kubernetes' own; then custom resources, training before serving.
    """
    first, own, training, rest = [], [], [], []
    for one in objects:
        if one["kind"] in FIRST:
            first.append(one)
        elif one["apiVersion"].startswith(OWN_GROUPS):
            own.append(one)
        elif one["kind"] == "RayJob":
            training.append(one)
        else:
            rest.append(one)
    return [wave for wave in (first, own, training, rest) if wave]


def apply(bench: Bench, wave: list[Object]) -> None:
    """Apply one wave; webhooks that do not answer yet are asked again."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": wave})
    last = PortolanError("kubectl apply", "not tried", "")

    def applied() -> bool:
        nonlocal last
        try:
            bench.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=text)
        except PortolanError as error:
            if "webhook" not in str(error):
                raise
            last = error
            return False
        return True

    wait(applied, lambda: str(last))


def ready(one: Object, live: Object) -> bool:
    """Return whether a live object is what its declaration asks to wait for."""
    status = live.get("status", {})
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
    match one["kind"]:
        case "CustomResourceDefinition":
            return conditions.get("Established") == "True"
        case "Deployment":
            observed = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
            return observed and status.get("availableReplicas", 0) >= live["spec"].get("replicas", 1)
        case "StatefulSet":
            return status.get("readyReplicas", 0) >= live["spec"].get("replicas", 1)
        case "DaemonSet":
            return status.get("numberReady", -1) >= status.get("desiredNumberScheduled", 0)
        case "Job":
            return conditions.get("Complete") == "True"
        case "RayJob":
            return bool(status.get("jobStatus") == "SUCCEEDED")
        case "InferenceService":
            return conditions.get("Ready") == "True"
    return True


def wait(holds: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait until something holds, or end the benchmark."""
    end = time.monotonic() + STEP_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise PortolanError("cluster", f"not ready after {STEP_SECONDS} s: {why()}", "look at the cluster")
        time.sleep(POLL_SECONDS)


def all_ready(bench: Bench, wave: list[Object]) -> bool:
    """Return whether every object of a wave is ready."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": wave})
    found = json.loads(bench.kubectl("get", "-f", "-", "-o", "json", text=text))
    items = found["items"] if found["kind"] == "List" else [found]
    live = {identity(item): item for item in items}
    return all(identity(one) in live and ready(one, live[identity(one)]) for one in wave)


def identity(one: Object) -> tuple[str, str, str]:
    """Return kind, namespace and name."""
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def apply_all(bench: Bench, objects: list[Object]) -> None:
    """Apply every wave and wait for it."""
    for wave in waves(objects):
        apply(bench, wave)
        waited = [one for one in wave if one["kind"] not in ("Namespace",)]
        if waited:
            wait(lambda waited=waited: all_ready(bench, waited), lambda waited=waited: str(list(map(identity, waited))))


def export() -> list[Object]:
    """Return the objects that the site's stack declares."""
    from portolan.platform.program import export_stack

    return objects_of(export_stack(str(SITE), show_secrets=True))


def measure(bench: Bench) -> list[Figure]:
    """Return the figures of the platform; it stands at the end, made by kubectl."""
    seconds = timed("pulumi up", lambda: portolan("platform", "up", str(SITE)))
    objects = export()
    again = timed("pulumi up, nothing to do", lambda: portolan("platform", "up", str(SITE)))
    idle = idle_figures(bench)
    timed("pulumi destroy", lambda: portolan("platform", "destroy", str(SITE)))
    applied = timed("kubectl apply", lambda: apply_all(bench, objects))
    peer = {"peer": APPLY, "peer_value": applied}
    goal = f"at most {LIMIT} times kubectl"
    return [
        figure(f"pulumi up, {len(objects)} objects", seconds, "seconds", UP, target=goal, limit=LIMIT, **peer),
        figure("pulumi up, nothing to do", again, "seconds", UP, **peer),
        *idle,
    ]


def idle_figures(bench: Bench) -> list[Figure]:
    """Return the memory and the processor time of all hosts together, over half a minute without load."""
    people_wait(SETTLE_SECONDS)
    groups = {host: found for (site, host), found in cgroups.find().items() if site == bench.name}
    before, begin = cpu(groups), time.monotonic()
    people_wait(IDLE_SECONDS)
    seconds = time.monotonic() - begin
    cores = (cpu(groups) - before) / seconds
    memory = sum(cgroups.memory_bytes(directories) or 0 for directories in groups.values())
    statistic = f"mean over {seconds:.0f} s"
    read = "cgroups of the hosts"
    return [
        figure("idle platform, processor", cores, "cores", f"{read}: cpuacct.usage", statistic=statistic),
        figure("idle platform, memory", memory / 2**20, "MiB", f"{read}: usage less inactive_file"),
    ]


def cpu(groups: dict[str, list[Any]]) -> float:
    """Return the processor time of all hosts since their start, in seconds."""
    return sum(cgroups.cpu_seconds(directories) or 0.0 for directories in groups.values())


def people_wait(seconds: float) -> None:
    """Let the platform come to rest."""
    time.sleep(seconds)
