"""What racked hosts' devices need in the cluster: runtime class, device plugin, DCGM's metrics, MIG manager, RDMA.

Pods here are NVIDIA's own, by its published examples; the GPUs' driver and containerd's runtime are the role gpu's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from portolan.bundle.push import target
from portolan.sites.links import Rdma
from portolan.sizing.devices import PARTITIONS_LABEL, DevicePlan
from stacks.platform.capability import Capability
from stacks.platform.device_plugin import (
    ALL_DEVICES,
    ALL_DEVICES_VOLUME,
    IMAGE,
    RESTRICTED,
    RUNTIME_CLASS,
    SYSTEM,
    TOLERATIONS,
    DevicePlugin,
    DevicePluginArgs,
    daemon_metadata,
    daemon_spec,
    labels,
    on_nodes,
    on_racked_gpus,
)

EXPORTER_IMAGE = "nvcr.io/nvidia/k8s/dcgm-exporter:4.2.3-4.1.3-ubuntu22.04"
MANAGER_IMAGE = "nvcr.io/nvidia/cloud-native/k8s-mig-manager:v0.12.2-ubi9"
RDMA_IMAGE = "ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:v1.5.3"
EXPORTER, MANAGER, RDMA = "dcgm-exporter", "nvidia-mig-manager", "rdma-shared-device-plugin"
METRICS_PORT = 9400
ALERTS = Path(__file__).parent / "accelerator_alerts.yaml"
# Fields of DCGM that need no right beyond seeing the devices: name, kind, meaning. Source: DCGM's field identifiers.
COUNTERS = (
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "Use of the GPU (%)."),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Use of the memory's bandwidth (%)."),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Memory in use (MiB)."),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Memory that is free (MiB)."),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "Temperature (C)."),
    ("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Temperature of the memory (C)."),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power (W)."),
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "Clock of the processors (MHz)."),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Number of the last Xid error."),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", "Memory errors that were corrected."),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Memory errors that could not be corrected."),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether a row of memory could not be replaced."),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "Transfers over PCIe that were repeated."),
    ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "counter", "Transfers over NVLink."),
)


@dataclass(frozen=True)
class DevicesArgs:
    """The plan's devices."""

    plan: DevicePlan


class Devices(Capability):
    """Each part only where the plan has what it serves."""

    def __init__(self, name: str, args: DevicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Devices", name, opts)
        plan = args.plan
        if plan.hosts:
            self._accelerators(plan)
        if plan.rdma is not None:
            self._rdma(plan, plan.rdma)
        self.register_outputs({})

    def _accelerators(self, plan: DevicePlan) -> None:
        models = [host.model for host in plan.hosts]
        managed = plan.partitioning == "manager" and bool(plan.layouts)
        runtime = kubernetes.node.v1.RuntimeClass(
            RUNTIME_CLASS,
            metadata={"name": RUNTIME_CLASS, "labels": labels(RUNTIME_CLASS)},
            handler=RUNTIME_CLASS,
            opts=self.child(),
        )
        DevicePlugin(
            "device-plugin",
            DevicePluginArgs(
                affinity=on_racked_gpus(models, "device-plugin" if managed else ""),
                image=mirrored(IMAGE, plan.image_registry),
                runtime_class=RUNTIME_CLASS,
                split=bool(plan.layouts),
            ),
            self.child(runtime),
        )
        if plan.exporter:
            self._exporter(plan, on_racked_gpus(models, EXPORTER if managed else ""), runtime)
        if managed:
            self._manager(plan, runtime)

    def _exporter(self, plan: DevicePlan, affinity: dict[str, Any], runtime: pulumi.Resource) -> None:
        counters = "".join(f"{', '.join(row)}\n" for row in COUNTERS)
        chosen = self._config(EXPORTER, {"counters.csv": counters})
        self._config(
            "accelerator-alerts",
            {"rules.yaml": ALERTS.read_text(encoding="utf-8")},
            {"portolan/prometheus-rules": "true"},
        )
        container = {
            "name": "exporter",
            "image": mirrored(EXPORTER_IMAGE, plan.image_registry),
            "args": ["--collectors", "/etc/portolan/counters.csv"],
            "env": [
                {"name": "DCGM_EXPORTER_LISTEN", "value": f":{METRICS_PORT}"},
                {"name": "DCGM_EXPORTER_KUBERNETES", "value": "true"},
            ],
            "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
            "securityContext": {**RESTRICTED, "readOnlyRootFilesystem": False},
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            "readinessProbe": {"httpGet": {"path": "/health", "port": METRICS_PORT}, "initialDelaySeconds": 10},
            "volumeMounts": [
                ALL_DEVICES,
                {"name": "counters", "mountPath": "/etc/portolan", "readOnly": True},
                {"name": "pods", "mountPath": "/var/lib/kubelet/pod-resources", "readOnly": True},
            ],
        }
        pod = {
            "runtimeClassName": RUNTIME_CLASS,
            "affinity": affinity,
            "tolerations": [dict(one) for one in TOLERATIONS],
            "containers": [container],
            "volumes": [
                ALL_DEVICES_VOLUME,
                {"name": "counters", "configMap": {"name": EXPORTER}},
                {"name": "pods", "hostPath": {"path": "/var/lib/kubelet/pod-resources"}},
            ],
        }
        scraped = {"prometheus.io/scrape": "true", "prometheus.io/port": str(METRICS_PORT)}
        self._daemon(EXPORTER, daemon_spec(EXPORTER, pod, scraped), chosen, runtime)

    def _manager(self, plan: DevicePlan, runtime: pulumi.Resource) -> None:
        chosen = self._config(MANAGER, {"config.yaml": layouts_document(plan), "clients.yaml": "version: v1\n"})
        account = kubernetes.core.v1.ServiceAccount(
            MANAGER, metadata={"name": MANAGER, "namespace": SYSTEM, "labels": labels(MANAGER)}, opts=self.child()
        )
        role = kubernetes.rbac.v1.ClusterRole(
            MANAGER,
            metadata={"name": MANAGER, "labels": labels(MANAGER)},
            rules=[
                {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch", "patch", "update"]},
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
            ],
            opts=self.child(),
        )
        bound = kubernetes.rbac.v1.ClusterRoleBinding(
            MANAGER,
            metadata={"name": MANAGER, "labels": labels(MANAGER)},
            role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": MANAGER},
            subjects=[{"kind": "ServiceAccount", "name": MANAGER, "namespace": SYSTEM}],
            opts=self.child(account, role),
        )
        pod = manager_pod(mirrored(MANAGER_IMAGE, plan.image_registry))
        self._daemon(MANAGER, daemon_spec(MANAGER, pod), chosen, runtime, bound)

    def _rdma(self, plan: DevicePlan, rdma: Rdma) -> None:
        chosen = self._config(RDMA, {"config.json": rdma_document(rdma)})
        mounts = {
            "device-plugins": "/var/lib/kubelet/device-plugins",
            "plugins-registry": "/var/lib/kubelet/plugins_registry",
            "devices": "/dev",
        }
        container = {
            "name": "plugin",
            "image": mirrored(RDMA_IMAGE, plan.image_registry),
            "securityContext": {"privileged": True},
            "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            "volumeMounts": [
                {"name": "config", "mountPath": "/k8s-rdma-shared-dev-plugin", "readOnly": True},
                *({"name": name, "mountPath": path} for name, path in mounts.items()),
            ],
        }
        pod = {
            "hostNetwork": True,  # it looks at the host's interfaces
            "tolerations": [dict(one) for one in TOLERATIONS],
            "containers": [container],
            "volumes": [
                {"name": "config", "configMap": {"name": RDMA}},
                *({"name": name, "hostPath": {"path": path}} for name, path in mounts.items()),
            ],
        }
        self._daemon(RDMA, daemon_spec(RDMA, pod), chosen)

    def _config(self, name: str, data: dict[str, str], more: dict[str, str] | None = None) -> pulumi.Resource:
        made: pulumi.Resource = kubernetes.core.v1.ConfigMap(
            name,
            metadata={"name": name, "namespace": SYSTEM, "labels": labels(name) | (more or {})},
            data=data,
            opts=self.child(),
        )
        return made

    def _daemon(self, name: str, spec: dict[str, Any], *after: pulumi.Resource) -> None:
        kubernetes.apps.v1.DaemonSet(name, metadata=daemon_metadata(name), spec=spec, opts=self.child(*after))


def mirrored(image: str, registry: str | None) -> str:
    """Return an image as the site's registry has it; its official name where the site names none."""
    return image if registry is None else target(registry, image)


def layouts_document(plan: DevicePlan) -> str:
    """Return the MIG manager's configuration: each layout of the site's hosts by its name. JSON is YAML."""
    layouts = {
        name: [{"devices": "all", "mig-enabled": True, "mig-devices": partitions}]
        for name, partitions in sorted(plan.layouts.items())
    }
    whole = {"all-disabled": [{"devices": "all", "mig-enabled": False}]}
    return json.dumps({"version": "v1", "mig-configs": layouts | whole}, indent=2) + "\n"


def rdma_document(rdma: Rdma) -> str:
    """Return the RDMA plugin's configuration."""
    shared = {
        "resourceName": rdma.resource,
        "resourcePrefix": "rdma",
        "rdmaHcaMax": rdma.most_pods,
        "selectors": {"ifNames": list(rdma.interfaces)},
    }
    return json.dumps({"periodicUpdateInterval": 300, "configList": [shared]}, indent=2) + "\n"


def manager_pod(image: str) -> dict[str, Any]:
    """Return the MIG manager's pod: it splits GPUs below running pods, so it sees the whole host."""
    own = {"NODE_NAME": "spec.nodeName", "POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    settings = {
        "CONFIG_FILE": "/etc/portolan/config.yaml",
        "GPU_CLIENTS_FILE": "/etc/portolan/clients.yaml",
        "HOST_ROOT_MOUNT": "/host",
        "HOST_NVIDIA_DIR": "/usr/local/nvidia",
        "HOST_KUBELET_SYSTEMD_SERVICE": "kubelet.service",
        "HOST_MIG_MANAGER_STATE_FILE": "/etc/systemd/system/nvidia-mig-manager.service.d/override.conf",
        "DEFAULT_GPU_CLIENTS_NAMESPACE": SYSTEM,
        "WITH_SHUTDOWN_HOST_GPU_CLIENTS": "false",
        "WITH_REBOOT": "false",
    }
    container = {
        "name": "manager",
        "image": image,
        "env": [
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in own.items()),
            *({"name": name, "value": value} for name, value in settings.items()),
        ],
        "securityContext": {"privileged": True},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/portolan", "readOnly": True},
            {"name": "host", "mountPath": "/host"},
            {"name": "system", "mountPath": "/sys"},
        ],
    }
    return {
        "serviceAccountName": MANAGER,
        "automountServiceAccountToken": True,
        "hostPID": True,
        "hostIPC": True,
        "runtimeClassName": RUNTIME_CLASS,
        "affinity": on_nodes({"key": PARTITIONS_LABEL, "operator": "Exists"}),
        "tolerations": [dict(one) for one in TOLERATIONS],
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": MANAGER}},
            {"name": "host", "hostPath": {"path": "/", "type": "Directory"}},
            {"name": "system", "hostPath": {"path": "/sys", "type": "Directory"}},
        ],
    }
