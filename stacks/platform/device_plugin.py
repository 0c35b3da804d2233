"""NVIDIA's device plugin: tells kubelet of a node's GPUs. One component for clusters of a cloud and of racked hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from portolan.sizing.devices import ACCELERATOR_LABEL, CLIENT_LABEL

IMAGE = "nvcr.io/nvidia/k8s-device-plugin:v0.17.4"
NAME = "nvidia-device-plugin"
SYSTEM = "kube-system"
RUNTIME_CLASS = "nvidia"
# What NVIDIA's MIG manager sets a client's label to, to have it away while it splits the node's GPUs.
AWAY = ("false", "paused-for-mig-change")
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
TOLERATIONS: Sequence[Mapping[str, str]] = (
    {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "portolan.dev/interruptible", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "kubernetes.azure.com/scalesetpriority", "operator": "Exists"},
)
# A container sees every GPU of its node by this mount; a variable of its own gets it none (role gpu).
ALL_DEVICES = {"name": "all-devices", "mountPath": "/var/run/nvidia-container-devices/all"}
ALL_DEVICES_VOLUME = {"name": "all-devices", "hostPath": {"path": "/dev/null"}}


@dataclass(frozen=True)
class DevicePluginArgs:
    """Where it runs, and how containers get devices. `runtime_class` None: the nodes' own runtime gives them."""

    affinity: Mapping[str, Any]
    image: str = IMAGE
    runtime_class: str | None = None
    split: bool = False  # some GPUs are: each MIG profile is a resource of its own
    formerly_of: pulumi.Resource | None = None  # whose child the DaemonSet was before there was this component


class DevicePlugin(pulumi.ComponentResource):
    """The DaemonSet."""

    def __init__(self, name: str, args: DevicePluginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("portolan:platform:DevicePlugin", name, None, opts)
        self.daemon_set = kubernetes.apps.v1.DaemonSet(
            NAME,
            metadata=daemon_metadata(NAME),
            spec=daemon_spec(NAME, device_plugin_pod(args)),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(opts.depends_on) if opts is not None and isinstance(opts.depends_on, list) else [],
                aliases=[pulumi.Alias(parent=args.formerly_of)] if args.formerly_of is not None else None,
            ),
        )
        self.register_outputs({})


def labels(name: str) -> dict[str, str]:
    """Return the labels of what serves devices."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "portolan"}


def daemon_metadata(name: str) -> dict[str, Any]:
    """Return the metadata of a DaemonSet; a pool of GPUs may have no node yet: there is nothing to wait for."""
    return {
        "name": name,
        "namespace": SYSTEM,
        "labels": labels(name),
        "annotations": {"pulumi.com/skipAwait": "true"},
    }


def daemon_spec(name: str, pod: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the specification of a DaemonSet whose pods serve the node's devices."""
    noted = {"annotations": dict(annotations)} if annotations else {}
    return {
        "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "updateStrategy": {"type": "RollingUpdate"},
        "template": {
            "metadata": {"labels": labels(name), **noted},
            "spec": {"priorityClassName": "system-node-critical", "automountServiceAccountToken": False, **pod},
        },
    }


def device_plugin_pod(args: DevicePluginArgs) -> dict[str, Any]:
    """Return the pod: restricted, and on racked hosts of the runtime class that lets it see the GPUs."""
    racked = args.runtime_class is not None
    environment = [{"name": "FAIL_ON_INIT_ERROR", "value": "true"}]
    if racked:
        environment.append({"name": "DEVICE_LIST_STRATEGY", "value": "volume-mounts"})
    if args.split:
        environment.append({"name": "MIG_STRATEGY", "value": "mixed"})
    container = {
        "name": "device-plugin",
        "image": args.image,
        "env": environment,
        "securityContext": RESTRICTED,
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [
            {"name": "kubelet", "mountPath": "/var/lib/kubelet/device-plugins"},
            *([ALL_DEVICES] if racked else []),
        ],
    }
    return {
        **({"runtimeClassName": args.runtime_class} if racked else {}),
        "affinity": dict(args.affinity),
        "tolerations": [dict(one) for one in TOLERATIONS],
        "containers": [container],
        "volumes": [
            {"name": "kubelet", "hostPath": {"path": "/var/lib/kubelet/device-plugins"}},
            *([ALL_DEVICES_VOLUME] if racked else []),
        ],
    }


def on_nodes(*terms: Mapping[str, Any]) -> dict[str, Any]:
    """Return an affinity to nodes whose labels meet every term."""
    term = {"matchExpressions": [dict(one) for one in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def on_racked_gpus(models: Sequence[str], client: str = "") -> dict[str, Any]:
    """Return an affinity to racked hosts with these GPUs, and while the MIG manager lets `client` be there."""
    has = {"key": ACCELERATOR_LABEL, "operator": "In", "values": sorted(set(models))}
    return on_nodes(
        has, *([{"key": CLIENT_LABEL + client, "operator": "NotIn", "values": list(AWAY)}] if client else [])
    )
