"""The KubeRay operator, from its own manifests."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml

from stacks.platform.capability import Capability
from stacks.platform.definitions import without_pod_schemas
from stacks.platform.objects import Document, create, create_operator

NAMESPACE = "kuberay-system"
NAMESPACED = frozenset({"ServiceAccount", "Role", "RoleBinding", "Service", "Deployment"})


@dataclass(frozen=True)
class KubeRayArgs:
    """Manifests, image and size of the operator."""

    manifests: Path
    operator_image: str
    replicas: int
    cpu_millicores: int
    memory_mebibytes: int


class KubeRay(Capability):
    """RayCluster, RayJob and RayService, and their operator. Output `definitions`: how many kinds it serves."""

    definitions: pulumi.Output[int]

    def __init__(self, name: str, args: KubeRayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("KubeRay", name, opts)
        documents = read(args.manifests)
        definitions = create(
            [without_pod_schemas(document) for document in documents if _is_definition(document)], capability=self
        )
        create_operator(
            operator_documents((document for document in documents if not _is_definition(document)), args),
            capability=self,
            after=definitions,
        )
        self.definitions = pulumi.Output.from_input(len(definitions))
        self.register_outputs({"definitions": self.definitions})


def read(directory: Path) -> list[dict[str, Any]]:
    """Return the documents of the definitions and the operator under `directory`, in a stable order."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # five times as fast where libyaml is there
    return [
        document
        for file in sorted(directory.glob("*.yaml"))
        for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=loader)
        if document
    ]


def operator_documents(documents: Iterable[Document], args: KubeRayArgs) -> list[Document]:
    """Return the operator's documents in their namespace, with the plan's size and the bundle's image."""
    kept = [deepcopy(dict(document)) for document in documents]
    for document in kept:
        if document["kind"] in NAMESPACED:
            document["metadata"]["namespace"] = NAMESPACE
        for subject in document.get("subjects", ()):
            subject["namespace"] = NAMESPACE
        if document["kind"] == "Deployment":
            document["spec"]["replicas"] = args.replicas
            _size(document["spec"]["template"]["spec"]["containers"][0], args)
    return kept


def _size(container: dict[str, Any], args: KubeRayArgs) -> None:
    container["image"] = args.operator_image
    container["imagePullPolicy"] = "IfNotPresent"
    container["resources"] = {
        "requests": {"cpu": f"{args.cpu_millicores}m", "memory": f"{args.memory_mebibytes}Mi"},
        "limits": {"cpu": "1", "memory": f"{2 * args.memory_mebibytes}Mi"},
    }
    # The container that it would put before each worker asks for 200m and waits with a Python process a try; clusters
    # here bring a lighter one (charts/risk-training), and a worker without one is restarted until the head answers.
    container["env"] = [*container.get("env", []), {"name": "ENABLE_INIT_CONTAINER_INJECTION", "value": "false"}]
    container["readinessProbe"] = {**container["readinessProbe"], "initialDelaySeconds": 2, "periodSeconds": 3}


def _is_definition(document: Document) -> bool:
    return bool(document["kind"] == "CustomResourceDefinition")
