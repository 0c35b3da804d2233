"""What a rented cluster needs inside before the platform stands on it: volumes, GPUs, scaling, and a way in."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from stacks.clusters.interface import Cluster, NodePoolView, StorageOffer
from stacks.clusters.rented import RentedArgs, RentedCluster, Runtime, node_labels
from stacks.platform.device_plugin import RESTRICTED, DevicePlugin, DevicePluginArgs, on_nodes

BLOCK, FILES = "portolan-block", "portolan-files"
SYSTEM = "kube-system"
# The publisher's own image: nodes of a cloud fetch it, and an air-gapped site has no use for it.
AUTOSCALER = "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.1"
AUTOSCALER_ACCOUNT = "cluster-autoscaler"
GPU_PURPOSES = ("gpu", "training")


class ClusterServices(pulumi.ComponentResource):
    """Storage classes, NVIDIA's device plugin and the autoscaler, each only where the provider brings none."""

    def __init__(
        self, name: str, args: RentedArgs, runtime: Runtime, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("portolan:clusters:Services", name, None, opts)
        self._inside = pulumi.ResourceOptions(parent=self)
        self._classes(runtime)
        if runtime.device_plugin and any(pool.accelerators for pool in args.plan.pools):
            self._device_plugin()
        if runtime.autoscaler:
            self._autoscaler(args)
        self.register_outputs({"storage_class": BLOCK})

    def _classes(self, runtime: Runtime) -> None:
        storage = runtime.storage
        kubernetes.storage.v1.StorageClass(
            BLOCK,
            metadata={"name": BLOCK, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            provisioner=storage.block_driver,
            parameters=dict(storage.block),
            reclaim_policy="Retain",
            allow_volume_expansion=True,
            # A volume lies in one zone: it is made where its pod can run.
            volume_binding_mode="WaitForFirstConsumer",
            opts=self._inside,
        )
        kubernetes.storage.v1.StorageClass(
            FILES,
            metadata={"name": FILES},
            provisioner=storage.files_driver,
            parameters=dict(storage.files),
            reclaim_policy="Retain",
            opts=self._inside,
        )

    def _device_plugin(self) -> None:
        purposes = {"key": "portolan.dev/purpose", "operator": "In", "values": list(GPU_PURPOSES)}
        DevicePlugin("device-plugin", DevicePluginArgs(on_nodes(purposes), formerly_of=self), self._inside)

    def _autoscaler(self, args: RentedArgs) -> None:
        labels = {"app.kubernetes.io/name": AUTOSCALER_ACCOUNT, "app.kubernetes.io/part-of": "portolan"}
        account = kubernetes.core.v1.ServiceAccount(
            AUTOSCALER_ACCOUNT,
            metadata={"name": AUTOSCALER_ACCOUNT, "namespace": SYSTEM, "labels": labels},
            opts=self._inside,
        )
        subject = {"kind": "ServiceAccount", "name": AUTOSCALER_ACCOUNT, "namespace": SYSTEM}
        may = kubernetes.rbac.v1.ClusterRole(
            AUTOSCALER_ACCOUNT,
            metadata={"name": AUTOSCALER_ACCOUNT, "labels": labels},
            rules=autoscaler_rules(),
            opts=self._inside,
        )
        bound = kubernetes.rbac.v1.ClusterRoleBinding(
            AUTOSCALER_ACCOUNT,
            metadata={"name": AUTOSCALER_ACCOUNT, "labels": labels},
            role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": AUTOSCALER_ACCOUNT},
            subjects=[subject],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may]),
        )
        discovery = f"k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/{args.name}"
        kubernetes.apps.v1.Deployment(
            AUTOSCALER_ACCOUNT,
            metadata={"name": AUTOSCALER_ACCOUNT, "namespace": SYSTEM, "labels": labels},
            spec={
                "replicas": 2,  # one works, one waits: they elect a leader
                "selector": {"matchLabels": {"app.kubernetes.io/name": AUTOSCALER_ACCOUNT}},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": AUTOSCALER_ACCOUNT,
                        "priorityClassName": "system-cluster-critical",
                        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534},
                        "containers": [
                            {
                                "name": "autoscaler",
                                "image": AUTOSCALER,
                                "command": [
                                    "./cluster-autoscaler",
                                    "--cloud-provider=aws",
                                    f"--node-group-auto-discovery=asg:tag={discovery}",
                                    "--balance-similar-node-groups",
                                    "--expander=least-waste",
                                    "--skip-nodes-with-local-storage=false",
                                ],
                                "env": [{"name": "AWS_REGION", "value": args.plan.region}],
                                "securityContext": RESTRICTED,
                                "resources": {
                                    "requests": {"cpu": "100m", "memory": "300Mi"},
                                    "limits": {"memory": "600Mi"},
                                },
                            }
                        ],
                    },
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, bound]),
        )


def connect(cluster: RentedCluster, args: RentedArgs) -> Cluster:
    """Return the rented cluster as the platform sees it, with what it needs inside."""
    provider = kubernetes.Provider(
        "rented",
        kubeconfig=cluster.kubeconfig,
        enable_server_side_apply=True,
        enable_patch_force=True,
    )
    services = ClusterServices(args.name, args, cluster.runtime, pulumi.ResourceOptions(providers=[provider]))
    return Cluster(
        provider=provider,
        storage=StorageOffer(kind="class", class_name=BLOCK),
        object_store="in-cluster",
        node_pools=tuple(NodePoolView(pool.pool, pool.purpose, (), node_labels(pool)) for pool in args.plan.pools),
        load_balancer="cloud",
        addresses=(),
        ready=(services,),
    )


def expose(
    cluster: Cluster, runtime: Runtime, namespace: str, service: str, port: int, after: list[pulumi.Resource]
) -> pulumi.Output[str]:
    """Put the provider's load balancer before a service, inside the site's own network; return where it answers."""
    made = kubernetes.core.v1.Service(
        f"{service}-load-balancer",
        metadata={
            "name": f"{service}-load-balancer",
            "namespace": namespace,
            "annotations": dict(runtime.internal_load_balancer),
            "labels": {"app.kubernetes.io/part-of": "portolan"},
        },
        spec={
            "type": "LoadBalancer",
            "selector": {"app": f"isvc.{service}-predictor"},
            "ports": [{"name": "http", "port": 80, "targetPort": port}],
            "externalTrafficPolicy": "Local",
        },
        opts=pulumi.ResourceOptions(providers=[cluster.provider], depends_on=after),
    )
    return made.status.apply(_address)


def autoscaler_rules() -> list[dict[str, Any]]:
    """Return what the autoscaler may do in the cluster: look at what waits, cordon and evict, keep its own lease."""
    look = ["get", "list", "watch"]

    def rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
        return {"apiGroups": [group], "resources": resources, "verbs": verbs}

    return [
        rule("", ["nodes"], [*look, "update", "patch"]),
        rule("", ["pods/eviction"], ["create"]),
        rule("", ["pods/status"], ["update"]),
        rule("", ["events", "endpoints", "configmaps"], ["create", "update", "patch", *look]),
        rule("", ["pods", "services", "replicationcontrollers", "namespaces"], look),
        rule("", ["persistentvolumeclaims", "persistentvolumes"], look),
        rule("apps", ["daemonsets", "replicasets", "statefulsets"], look),
        rule("batch", ["jobs", "cronjobs"], look),
        rule("policy", ["poddisruptionbudgets"], look),
        rule("storage.k8s.io", ["storageclasses", "csinodes", "csidrivers", "csistoragecapacities"], look),
        rule("storage.k8s.io", ["volumeattachments"], look),
        rule("resource.k8s.io", ["resourceclaims", "resourceslices", "deviceclasses"], look),
        rule("coordination.k8s.io", ["leases"], ["create", "update", "patch", *look]),
    ]


def _address(status: Any) -> str:
    found = (status or {}).get("load_balancer") or {}
    entries = found.get("ingress") or []
    return next((f"http://{one.get('hostname') or one.get('ip')}" for one in entries), "")
