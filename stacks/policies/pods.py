"""Rules on pods: which may see a whole host, and from where their images come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from portolan.cloud.resources import Resource, at
from stacks.policies.shapes import Limits, Violation, violation

# What serves a host's devices and cannot without: it changes GPUs below running pods, or hands out /dev.
WHOLE_HOST = frozenset({"nvidia-mig-manager", "rdma-shared-device-plugin"})
WORKLOADS = ("kubernetes:apps/v1:", "kubernetes:batch/v1:")
SHARED = ("hostPID", "hostIPC", "hostNetwork")


def least_privilege(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """No pod has a whole host but those that serve its devices, in kube-system (SEC-9.5.8-05)."""
    pod = _pod(resource)
    if pod is None:
        return
    metadata = resource.properties.get("metadata") or {}
    if metadata.get("name") in WHOLE_HOST and metadata.get("namespace") == "kube-system":
        return
    remedy = "ask for what it needs by name: a capability, a device, a volume"
    for container in _containers(pod):
        if at(container, "securityContext.privileged"):
            what = f"container {container.get('name')} is privileged"
            yield violation("SEC-9.5.8-05", resource, what, "no more rights than needed", remedy)
    for key in SHARED:
        if pod.get(key):
            yield violation("SEC-9.5.8-05", resource, key, "namespaces of its own", f"remove {key}")


def pinned_images(resource: Resource, _limits: Limits) -> Iterator[Violation]:
    """Every image has a version: what runs is what was looked at (SEC-9.5.8-08)."""
    for container in _containers(_pod(resource) or {}):
        image = container.get("image")
        if not isinstance(image, str):
            continue
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            found, remedy = f"image {image}", "name its version or its digest"
            yield violation("SEC-9.5.8-08", resource, found, "an image of one version", remedy)


def _pod(resource: Resource) -> Mapping[str, Any] | None:
    if resource.kind == "kubernetes:core/v1:Pod":
        found = resource.properties.get("spec")
    elif resource.kind.startswith(WORKLOADS):
        found = at(resource.properties, "spec.template.spec") or at(
            resource.properties, "spec.jobTemplate.spec.template.spec"
        )
    else:
        return None
    return found if isinstance(found, Mapping) else None


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]
