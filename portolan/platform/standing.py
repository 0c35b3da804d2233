"""Whether what was deployed stands: the engine compares documents, so it says "no changes" of pods that are down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from portolan.errors import PortolanError

# A node that lost its power has its pods restarted one by one: images are there, so a minute is usual.
WAIT_SECONDS = 300.0
POLL_SECONDS = 2.0
REQUEST_SECONDS = 20.0
NOT_FOUND = 404  # the cluster knows no objects of that kind


def not_standing(workloads: Iterable[Mapping[str, Any]], services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what does not stand, a line each: workloads short of replicas, InferenceServices not ready.

    >>> not_standing([{"kind": "Deployment", "name": "kserve/controller", "wanted": 1, "ready": 0}], [])
    ['Deployment kserve/controller has 0 of 1 replicas ready']
    """
    short = [
        f"{one['kind']} {one['name']} has {one['ready']} of {one['wanted']} replicas ready"
        for one in workloads
        if one["ready"] < one["wanted"]
    ]
    return short + [late for service in services if (late := _service_late(service))]


def _service_late(service: Mapping[str, Any]) -> str:
    conditions = service.get("status", {}).get("conditions", [])
    ready: Mapping[str, Any] = next((entry for entry in conditions if entry["type"] == "Ready"), {})
    if ready.get("status") == "True":
        return ""
    metadata = service["metadata"]
    reason = ready.get("message") or ready.get("reason")
    return f"InferenceService {metadata['namespace']}/{metadata['name']} is not ready" + (
        f": {reason}" if reason else ""
    )


def wait_until_standing(kubeconfig: Path, say: Callable[[str], None], wait_seconds: float = WAIT_SECONDS) -> float:
    """Wait until every workload and every InferenceService of the cluster is ready; return the seconds that it took.

    Raises PortolanError that names what is not.
    """
    begin = time.monotonic()
    said: list[str] = []
    while late := _look(kubeconfig):
        if time.monotonic() - begin > wait_seconds:
            what = f"not standing after {wait_seconds:.0f} s: {'; '.join(late)}"
            raise PortolanError(str(kubeconfig), what, "see its events (kubectl describe), then run again: portolan up")
        if late != said:
            say(f"waiting for {late[0]}" + (f" and {len(late) - 1} more" if len(late) > 1 else ""))
            said = late
        time.sleep(POLL_SECONDS)
    return time.monotonic() - begin


def _inference_services(api: Any) -> list[dict[str, Any]]:
    """Return the cluster's InferenceServices; none where it knows no such kind, as one that serves nothing."""
    from kubernetes import client

    try:
        found: list[dict[str, Any]] = api.list_cluster_custom_object(
            "serving.kserve.io", "v1beta1", "inferenceservices", _request_timeout=REQUEST_SECONDS
        )["items"]
    except client.ApiException as error:
        if error.status == NOT_FOUND:
            return []
        raise
    return found


def _look(kubeconfig: Path) -> list[str]:
    from kubernetes import client
    from urllib3.exceptions import HTTPError

    from portolan.conformity.reach import api_client

    try:
        api = api_client(kubeconfig)
        apps = client.AppsV1Api(api)
        deployments = apps.list_deployment_for_all_namespaces(_request_timeout=REQUEST_SECONDS).items
        sets = apps.list_stateful_set_for_all_namespaces(_request_timeout=REQUEST_SECONDS).items
        daemons = apps.list_daemon_set_for_all_namespaces(_request_timeout=REQUEST_SECONDS).items
        services = _inference_services(client.CustomObjectsApi(api))
    except (client.ApiException, HTTPError, OSError) as error:
        return [f"the cluster, which does not answer: {getattr(error, 'reason', None) or error}"]
    workloads = [
        {
            "kind": kind,
            "name": f"{item.metadata.namespace}/{item.metadata.name}",
            "wanted": item.spec.replicas if item.spec.replicas is not None else 1,
            "ready": item.status.ready_replicas or 0,
        }
        for kind, items in (("Deployment", deployments), ("StatefulSet", sets))
        for item in items
    ]
    workloads += [
        {
            "kind": "DaemonSet",
            "name": f"{item.metadata.namespace}/{item.metadata.name}",
            "wanted": item.status.desired_number_scheduled,
            "ready": item.status.number_ready or 0,
        }
        for item in daemons
    ]
    return not_standing(workloads, services)
