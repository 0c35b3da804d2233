"""Waiting until an object is what the program may rely on, or is gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portolan.embedded.kubernetes import identity
from portolan.embedded.kubernetes.awaits import jsonpath, verdicts
from portolan.embedded.kubernetes.awaits.verdicts import READY, Verdict
from portolan.embedded.kubernetes.awaits.watching import Waiting
from portolan.embedded.kubernetes.cluster import Cluster
from portolan.embedded.kubernetes.errors import ApiError, Cancelled, NotReady
from portolan.errors import PortolanError

Live = dict[str, Any]
Related = Mapping[str, Sequence[Mapping[str, Any]]]
Progress = Callable[[str], None]

# Pulumi's default for every kind; customTimeouts and the annotation change it.
DEFAULT_SECONDS = 600.0
# The official provider gives these kinds less.
KIND_SECONDS = {"PersistentVolume": 300.0, "PersistentVolumeClaim": 300.0, "ResourceQuota": 60.0, "Secret": 5.0}


@dataclass(frozen=True)
class Await:
    """How one kind is awaited: its verdict, and whose state that takes besides its own."""

    verdict: Callable[[Live, Related], Verdict]
    pods: bool = False
    endpoints: bool = False
    on_read: bool = True


def _alone(verdict: Callable[[Live], Verdict]) -> Callable[[Live, Related], Verdict]:
    return lambda live, related: verdict(live)


def _with_pods(verdict: Callable[[Live], Verdict]) -> Callable[[Live, Related], Verdict]:
    def judge(live: Live, related: Related) -> Verdict:
        found = verdict(live)
        if found.ready:
            return found
        return Verdict(False, (*found.reasons, *verdicts.pod_faults(related.get("pods", ()))), found.failed)

    return judge


AWAITS: dict[str, Await] = {
    "apps/v1/Deployment": Await(_with_pods(verdicts.deployment), pods=True),
    "apps/v1/StatefulSet": Await(_with_pods(verdicts.stateful_set), pods=True),
    "apps/v1/DaemonSet": Await(_with_pods(verdicts.daemon_set), pods=True),
    "batch/v1/Job": Await(_with_pods(verdicts.job), pods=True),
    "v1/Pod": Await(_alone(verdicts.pod)),
    "v1/PersistentVolume": Await(_alone(verdicts.persistent_volume), on_read=False),
    "v1/ReplicationController": Await(_alone(verdicts.replication_controller), on_read=False),
    "v1/ResourceQuota": Await(_alone(verdicts.resource_quota), on_read=False),
    "v1/Secret": Await(_alone(verdicts.token_secret), on_read=False),
    "v1/Service": Await(lambda live, related: verdicts.service(live, related.get("slices", ())), endpoints=True),
    "apiextensions.k8s.io/v1/CustomResourceDefinition": Await(_alone(verdicts.custom_resource_definition)),
}
CLAIM = "v1/PersistentVolumeClaim"


def wait_for(annotation: str) -> Callable[[Live, Related], Verdict]:
    """Return the verdict that the annotation `pulumi.com/waitFor` asks for: one condition, or a JSON list of them."""
    try:
        listed = json.loads(annotation)
    except ValueError:
        listed = annotation
    texts = listed if isinstance(listed, list) else [annotation]
    checks = [_condition(str(text)) for text in texts]
    if not checks:
        raise PortolanError("pulumi.com/waitFor", "names no condition", "write jsonpath=... or condition=...")

    def judge(live: Live, related: Related) -> Verdict:
        missing = [f"waiting for {text}" for text, holds in checks if not holds(live)]
        return verdicts.waiting(*missing) if missing else READY

    return judge


def _condition(text: str) -> tuple[str, Callable[[Live], bool]]:
    form, _, rest = text.partition("=")
    if form == "jsonpath":
        expression = jsonpath.parse(rest)
        return text, lambda live: jsonpath.satisfied(expression, live)
    if form == "condition":
        name, _, wanted = rest.partition("=")
        value = (wanted or "True").strip('"').lower()
        return text, lambda live: str(verdicts.condition(live, name).get("status")).lower() == value
    raise PortolanError(f"pulumi.com/waitFor: {text}", "unknown form", "begin with jsonpath= or condition=")


def timeout_seconds(inputs: Mapping[str, Any], given_seconds: float) -> float:
    """Return how long to wait: `customTimeouts`, else the annotation, else the kind's default."""
    if given_seconds:
        return given_seconds
    annotated = identity.annotation(inputs, identity.TIMEOUT_SECONDS)
    if annotated:
        try:
            return float(annotated)
        except ValueError as error:
            raise PortolanError(identity.TIMEOUT_SECONDS, f"{annotated!r} is no number", "give seconds") from error
    return KIND_SECONDS.get(str(inputs.get("kind")), DEFAULT_SECONDS)


def _await_of(cluster: Cluster, inputs: Mapping[str, Any], live: Live) -> Await | None:
    if identity.is_true(inputs, identity.SKIP_AWAIT):
        return None
    annotation = identity.annotation(inputs, identity.WAIT_FOR)
    if annotation:
        return Await(wait_for(annotation))
    key = f"{live.get('apiVersion')}/{live.get('kind')}"
    if key == CLAIM:
        mode = _binding_mode(cluster, live)
        return Await(lambda claim, related: verdicts.persistent_volume_claim(claim, mode), on_read=False)
    return AWAITS.get(key)


def _binding_mode(cluster: Cluster, claim: Live) -> str | None:
    name = (claim.get("spec") or {}).get("storageClassName")
    if not name:
        return None
    try:
        found = cluster.get(cluster.kind("storage.k8s.io/v1", "StorageClass"), None, name)
    except ApiError:
        return None
    mode: str | None = found.get("volumeBindingMode")
    return mode


def _pod_labels(live: Live) -> str | None:
    spec = live.get("spec") or {}
    if live.get("kind") == "Job":
        return f"batch.kubernetes.io/job-name={identity.name(live)}"
    labels = (spec.get("selector") or {}).get("matchLabels")
    return ",".join(f"{key}={value}" for key, value in labels.items()) if labels else None


def until_ready(
    cluster: Cluster,
    inputs: Mapping[str, Any],
    live: Live,
    given_seconds: float,
    cancelled: threading.Event,
    progress: Progress,
) -> Live:
    """Wait until an object is ready, and return it as it then is.

    Raises NotReady with the last seen state when the time is over or the object has failed, Cancelled on Cancel.
    """
    chosen = _await_of(cluster, inputs, live)
    if chosen is None:
        return live
    verdict = chosen.verdict(live, {})
    if verdict.ready:
        return live
    kind = cluster.kind(live["apiVersion"], live["kind"])
    namespace = identity.namespace(live)
    related: dict[str, dict[str, Mapping[str, Any]]] = {"pods": {}, "slices": {}}
    with Waiting(timeout_seconds(inputs, given_seconds), cancelled) as wait:
        wait.follow(
            cluster, kind, namespace, "self",
            name=identity.name(live), resource_version=live["metadata"].get("resourceVersion"),
        )  # fmt: skip
        pod_labels = _pod_labels(live) if chosen.pods else None
        if pod_labels:
            wait.follow(cluster, cluster.kind("v1", "Pod"), namespace, "pods", labels=pod_labels)
        if chosen.endpoints:
            slices = cluster.kind("discovery.k8s.io/v1", "EndpointSlice")
            wait.follow(
                cluster, slices, namespace, "slices", labels=f"kubernetes.io/service-name={identity.name(live)}"
            )
        said = ""
        while not verdict.ready and not verdict.failed:
            text = "; ".join(verdict.reasons)
            if text != said:
                progress(text)
                said = text
            event = wait.next()
            if event is None:
                break
            if event.source == "self":
                if event.type == "DELETED":
                    raise NotReady(live, ["the object was deleted while it was awaited"])
                live = dict(event.target)
            elif event.type == "DELETED":
                related[event.source].pop(identity.name(event.target), None)
            else:
                related[event.source][identity.name(event.target)] = event.target
            verdict = chosen.verdict(live, {source: list(found.values()) for source, found in related.items()})
    if verdict.ready:
        return live
    if wait.cancelled:
        raise NotReady(live, ["the operation was cancelled while the object was awaited", *verdict.reasons])
    if verdict.failed:
        raise NotReady(live, verdict.reasons)
    raise NotReady(live, [f"timed out after {wait.seconds:g} s", *verdict.reasons])


def reasons_not_ready(cluster: Cluster, inputs: Mapping[str, Any], live: Live) -> tuple[str, ...]:
    """Return what keeps an object from being ready right now (nothing where it is, or where none is awaited)."""
    chosen = _await_of(cluster, inputs, live)
    if chosen is None or not chosen.on_read:
        return ()
    related: dict[str, Sequence[Mapping[str, Any]]] = {}
    if chosen.endpoints and verdicts.needs_endpoints(live):
        selector = {"labelSelector": f"kubernetes.io/service-name={identity.name(live)}"}
        slices = cluster.kind("discovery.k8s.io/v1", "EndpointSlice")
        related["slices"] = cluster.list(slices, identity.namespace(live), selector)
    return chosen.verdict(live, related).reasons


def until_gone(
    cluster: Cluster, live: Live, given_seconds: float, inputs: Mapping[str, Any], cancelled: threading.Event,
    progress: Progress,
) -> None:  # fmt: skip
    """Wait until an object that is being deleted is gone (or another has taken its name)."""
    kind = cluster.kind(live["apiVersion"], live["kind"])
    uid = live["metadata"].get("uid")
    said = ""
    with Waiting(timeout_seconds(inputs, given_seconds), cancelled) as wait:
        wait.follow(
            cluster, kind, identity.namespace(live), "self",
            name=identity.name(live), resource_version=live["metadata"].get("resourceVersion"),
        )  # fmt: skip
        while True:
            event = wait.next()
            if event is None:
                break
            if event.type == "DELETED" or event.target["metadata"].get("uid") != uid:
                return
            live = dict(event.target)
            held = ", ".join(live["metadata"].get("finalizers") or [])
            text = f"waiting for its finalizers: {held}" if held else "waiting for it to end"
            if text != said:
                progress(text)
                said = text
    if wait.cancelled:
        raise Cancelled
    finalizers = live["metadata"].get("finalizers") or []
    raise NotReady(
        live,
        [f"timed out after {wait.seconds:g} s: it is still there"]
        + ([f"its finalizers have not been dealt with: {', '.join(finalizers)}"] if finalizers else []),
    )
