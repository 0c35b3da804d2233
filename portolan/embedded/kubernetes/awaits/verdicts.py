"""When is an object ready? Pure functions from its live state (and its pods, or endpoints) to a verdict.

They follow the official provider's await logic, which follows `kubectl rollout status`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Live = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Ready or not; `failed` means that it never will be; `reasons` say what is missing."""

    ready: bool
    reasons: tuple[str, ...] = ()
    failed: bool = False


READY = Verdict(True)


def waiting(*reasons: str) -> Verdict:
    """Return a verdict of not yet."""
    return Verdict(False, tuple(reason for reason in reasons if reason))


def _spec(live: Live) -> Mapping[str, Any]:
    return live.get("spec") or {}


def _status(live: Live) -> Mapping[str, Any]:
    return live.get("status") or {}


def condition(live: Live, kind: str) -> Mapping[str, Any]:
    """Return one of the object's conditions, or an empty map."""
    for one in _status(live).get("conditions") or []:
        if isinstance(one, Mapping) and one.get("type") == kind:
            return one
    return {}


def _says(one: Mapping[str, Any]) -> str:
    return f"[{one.get('reason') or one.get('type')}] {one.get('message') or ''}".strip() if one else ""


def _observed(live: Live) -> bool:
    generation = (live.get("metadata") or {}).get("generation") or 0
    return int(_status(live).get("observedGeneration") or 0) >= int(generation)


def deployment(live: Live) -> Verdict:
    """Ready when the newest replica set has all replicas available and no older pod is left."""
    spec, status = _spec(live), _status(live)
    wanted = spec.get("replicas", 1)
    if not _observed(live):
        return waiting("waiting for the controller to see the new specification")
    progressing = condition(live, "Progressing")
    updated, total = status.get("updatedReplicas") or 0, status.get("replicas") or 0
    available = status.get("availableReplicas") or 0
    if spec.get("paused"):
        return READY
    if updated >= wanted and available >= wanted and total <= updated:
        return READY
    missing = f"{min(available, updated)}/{wanted} replicas of the new version are available"
    if total > updated:
        missing += f", {total - updated} of the old one have not ended"
    late = _says(progressing) if progressing.get("reason") == "ProgressDeadlineExceeded" else ""
    minimum = condition(live, "Available")
    failure = condition(live, "ReplicaFailure")
    return waiting(
        missing,
        late,
        _says(minimum) if minimum.get("status") == "False" else "",
        _says(failure) if failure.get("status") == "True" else "",
    )


def stateful_set(live: Live) -> Verdict:
    """Ready when every replica runs the newest revision and is ready (with a partition: those above it)."""
    spec, status = _spec(live), _status(live)
    wanted = spec.get("replicas", 1)
    strategy = spec.get("updateStrategy") or {}
    ready = status.get("readyReplicas") or 0
    updated = status.get("updatedReplicas") or 0
    if not _observed(live):
        return waiting("waiting for the controller to see the new specification")
    if ready < wanted:
        return waiting(f"{ready}/{wanted} replicas are ready")
    if strategy.get("type") == "OnDelete":
        return READY
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if partition:
        return (
            READY if updated >= wanted - partition else waiting(f"{updated}/{wanted - partition} replicas are updated")
        )
    if wanted and status.get("updateRevision") != status.get("currentRevision"):
        return waiting(f"{updated}/{wanted} replicas are updated")
    return READY


def daemon_set(live: Live) -> Verdict:
    """Ready when its pod is updated and available on every node that is to have it."""
    status = _status(live)
    wanted = status.get("desiredNumberScheduled") or 0
    if not _observed(live):
        return waiting("waiting for the controller to see the new specification")
    if (_spec(live).get("updateStrategy") or {}).get("type") == "OnDelete":
        return READY
    updated, available = status.get("updatedNumberScheduled") or 0, status.get("numberAvailable") or 0
    if updated < wanted or available < wanted:
        return waiting(f"{min(updated, available)}/{wanted} nodes have the new pod available")
    return READY


def replication_controller(live: Live) -> Verdict:
    """Ready when all replicas are available."""
    wanted, available = _spec(live).get("replicas", 1), _status(live).get("availableReplicas") or 0
    return READY if available >= wanted else waiting(f"{available}/{wanted} replicas are available")


def job(live: Live) -> Verdict:
    """Ready when it is complete; failed when it has given up. A suspended job is not waited for."""
    failed = condition(live, "Failed")
    if failed.get("status") == "True":
        return Verdict(False, (_says(failed),), failed=True)
    if condition(live, "Complete").get("status") == "True" or _spec(live).get("suspend"):
        return READY
    status = _status(live)
    wanted = _spec(live).get("completions") or 1
    return waiting(
        f"{status.get('succeeded') or 0}/{wanted} pods have succeeded"
        + (f", {status['failed']} failed" if status.get("failed") else "")
    )


def pod(live: Live) -> Verdict:
    """Ready when its condition Ready is true, or when it has run to a successful end."""
    status = _status(live)
    if status.get("phase") == "Succeeded" or condition(live, "Ready").get("status") == "True":
        return READY
    if status.get("phase") == "Failed":
        return Verdict(False, tuple(pod_faults([live])) or (_says(status),), failed=True)
    return waiting(f"the pod is {status.get('phase') or 'Pending'}", *pod_faults([live]))


def persistent_volume(live: Live) -> Verdict:
    """Ready when available or bound."""
    phase = _status(live).get("phase")
    return READY if phase in ("Available", "Bound") else waiting(f"the volume is {phase or 'Pending'}")


def persistent_volume_claim(live: Live, binding_mode: str | None) -> Verdict:
    """Ready when bound; pending is enough where the storage class binds with the first pod."""
    phase = _status(live).get("phase")
    if phase == "Bound" or (phase == "Pending" and binding_mode == "WaitForFirstConsumer"):
        return READY
    if phase == "Lost":
        return Verdict(False, ("the claim has lost its volume",), failed=True)
    return waiting(f"the claim is {phase or 'Pending'}, not yet bound to a volume")


def resource_quota(live: Live) -> Verdict:
    """Ready when the controller has taken its limits over."""
    same = _spec(live).get("hard") == _status(live).get("hard")
    return READY if same else waiting("the controller has not taken the quota over")


def needs_endpoints(live: Live) -> bool:
    """Tell whether a Service is to have endpoints made for it."""
    spec = _spec(live)
    return spec.get("type") != "ExternalName" and bool(spec.get("selector")) and spec.get("clusterIP") != "None"


def service(live: Live, slices: Sequence[Live]) -> Verdict:
    """Ready when it has a ready endpoint and, if it is a LoadBalancer, an address outside."""
    if needs_endpoints(live) and not _ready_endpoint(slices):
        return waiting("the Service has no ready endpoint: no pod that its selector matches is ready")
    if _spec(live).get("type") == "LoadBalancer" and not (_status(live).get("loadBalancer") or {}).get("ingress"):
        return waiting("the load balancer has given the Service no address")
    return READY


def _ready_endpoint(slices: Sequence[Live]) -> bool:
    return any(
        (endpoint.get("conditions") or {}).get("ready", True) is not False
        for one in slices
        for endpoint in one.get("endpoints") or []
    )


def custom_resource_definition(live: Live) -> Verdict:
    """Ready when its names are accepted and it is established."""
    names = condition(live, "NamesAccepted")
    if names.get("status") == "False":
        return Verdict(False, (_says(names),), failed=True)
    established = condition(live, "Established")
    return READY if established.get("status") == "True" else waiting("the definition is not yet established")


def token_secret(live: Live) -> Verdict:
    """Ready when the controller has put the token in."""
    if live.get("type") != "kubernetes.io/service-account-token" or live.get("data"):
        return READY
    return waiting("the token has not been made")


def api_service(live: Live) -> Verdict:
    """Ready when the aggregated API answers."""
    available = condition(live, "Available")
    return READY if available.get("status") == "True" else waiting(_says(available))


# Reasons a container waits with that are the normal course of a start.
_ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})


def pod_faults(pods: Sequence[Live]) -> list[str]:
    """Return what keeps pods from being ready: images that cannot be had, crashes, no node to go to."""
    faults: list[str] = []
    for one in pods:
        status = one.get("status") or {}
        name = (one.get("metadata") or {}).get("name")
        scheduled = condition(one, "PodScheduled")
        if scheduled.get("status") == "False":
            faults.append(f"pod {name}: {_says(scheduled)}")
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            state = container.get("state") or {}
            held, ended = state.get("waiting") or {}, state.get("terminated") or {}
            if held.get("reason") and held["reason"] not in _ORDINARY:
                faults.append(f"pod {name}, container {container.get('name')}: {_says(held)}")
            elif ended.get("exitCode"):
                faults.append(
                    f"pod {name}, container {container.get('name')}: "
                    f"[{ended.get('reason')}] exited with code {ended['exitCode']} {ended.get('message') or ''}".strip()
                )
    return faults
