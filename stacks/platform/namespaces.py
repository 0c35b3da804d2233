"""Namespaces, each with a quota, default limits and a Pod Security level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as kubernetes

from stacks.platform.capability import Capability


@dataclass(frozen=True)
class NamespaceSpec:
    """One namespace: how strict it is about pods, and how much they may ask for together."""

    name: str
    pod_security: str
    cpu_millicores: int
    memory_mebibytes: int
    pods: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NamespacesArgs:
    """The namespaces to make."""

    namespaces: Sequence[NamespaceSpec]


class Namespaces(Capability):
    """The platform's namespaces. Output `names`: those of them, once they exist with their quotas."""

    names: pulumi.Output[list[str]]

    def __init__(self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Namespaces", name, opts)
        self.by_name = {spec.name: self._namespace(spec) for spec in args.namespaces}
        self.names = pulumi.Output.all(*(one.metadata.name for one in self.by_name.values()))
        self.register_outputs({"names": self.names})

    def _namespace(self, spec: NamespaceSpec) -> kubernetes.core.v1.Namespace:
        namespace = kubernetes.core.v1.Namespace(
            spec.name,
            metadata={
                "name": spec.name,
                "labels": {
                    "app.kubernetes.io/part-of": "portolan",
                    "pod-security.kubernetes.io/enforce": spec.pod_security,
                    "pod-security.kubernetes.io/warn": spec.pod_security,
                    **spec.labels,
                },
            },
            opts=self.child(),
        )
        inside = pulumi.ResourceOptions(parent=namespace, depends_on=[namespace])
        kubernetes.core.v1.ResourceQuota(
            f"{spec.name}-quota",
            metadata={"name": "quota", "namespace": spec.name},
            spec={
                "hard": {
                    "requests.cpu": f"{spec.cpu_millicores}m",
                    "requests.memory": f"{spec.memory_mebibytes}Mi",
                    "pods": str(spec.pods),
                }
            },
            opts=inside,
        )
        kubernetes.core.v1.LimitRange(
            f"{spec.name}-limits",
            metadata={"name": "limits", "namespace": spec.name},
            spec={
                # No CPU limit by default: a limit throttles a pod even where the node is idle.
                "limits": [
                    {
                        "type": "Container",
                        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
                        "default": {"memory": "512Mi"},
                    }
                ]
            },
            opts=inside,
        )
        return namespace
