"""KServe in Standard mode, from its own charts: no Istio, no Knative, no gateway, no cert-manager."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from stacks.platform.capability import Capability
from stacks.platform.certificates import Certificates
from stacks.platform.definitions import without_pod_schemas
from stacks.platform.helm import render
from stacks.platform.objects import Document, create, create_operator

NAMESPACE = "kserve"
WEBHOOK_SECRET = "kserve-webhook-server-cert"
WEBHOOK_NAMES = (
    "kserve-webhook-server-service.kserve.svc",
    "kserve-webhook-server-service.kserve.svc.cluster.local",
)
# What the charts bring for cert-manager, and for the kube-rbac-proxy sidecar in front of the metrics.
LEFT_OUT = frozenset(
    {
        ("Issuer", "selfsigned-issuer"),
        ("Certificate", "serving-cert"),
        ("ClusterRole", "kserve-proxy-role"),
        ("ClusterRoleBinding", "kserve-proxy-rolebinding"),
        ("Service", "kserve-controller-manager-metrics-service"),
        ("Service", "kserve-controller-manager-service"),
    }
)


@dataclass(frozen=True)
class KServeArgs:
    """Charts, images and size of the controller."""

    provider: pulumi.ProviderResource
    kubernetes_version: str
    definitions_chart: Path
    resources_chart: Path
    controller_image: str
    storage_initializer_image: str
    replicas: int
    cpu_millicores: int
    memory_mebibytes: int
    certificates: Certificates


class KServe(Capability):
    """The InferenceService API and its controller. Output `definitions`: how many kinds it serves."""

    definitions: pulumi.Output[int]

    def __init__(self, name: str, args: KServeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("KServe", name, opts)
        definitions = create(
            [
                without_pod_schemas(dict(document))
                for document in render(
                    args.definitions_chart, "kserve-crd", NAMESPACE, {}, args.kubernetes_version, args.provider
                )
            ],
            capability=self,
        )
        documents = controller_documents(
            render(
                args.resources_chart, "kserve", NAMESPACE, chart_values(args), args.kubernetes_version, args.provider
            ),
            args.certificates.ca_bundle_text,
            args.replicas,
        )
        # The storage container is a custom resource; the controller's pod mounts the webhook's certificate.
        create_operator(documents, capability=self, after=[*definitions, args.certificates.secret])
        self.definitions = pulumi.Output.from_input(len(definitions))
        self.register_outputs({"definitions": self.definitions})


def chart_values(args: KServeArgs) -> dict[str, Any]:
    """Return the values of KServe's `kserve-resources` chart."""
    controller_image, controller_tag = args.controller_image.rsplit(":", 1)
    storage_image, storage_tag = args.storage_initializer_image.rsplit(":", 1)
    return {
        "kserve": {
            "version": controller_tag,
            "storage": {"image": storage_image, "tag": storage_tag},
            "controller": {
                "deploymentMode": "Standard",
                "image": controller_image,
                "tag": controller_tag,
                "imagePullPolicy": "IfNotPresent",
                "gateway": {
                    "disableIngressCreation": True,
                    "disableIstioVirtualHost": True,
                    "ingressGateway": {"enableGatewayApi": False},
                },
                "resources": {
                    "requests": {"cpu": f"{args.cpu_millicores}m", "memory": f"{args.memory_mebibytes}Mi"},
                    # The chart's default of 100m makes each reconciliation take seconds.
                    "limits": {"cpu": "2", "memory": f"{2 * args.memory_mebibytes}Mi"},
                },
            },
        }
    }


def controller_documents(documents: Iterable[Document], ca_bundle: str, replicas: int) -> list[Document]:
    """Return the chart's documents as this platform runs them: our certificates, no proxy sidecar, quick probes."""
    kept = [
        deepcopy(dict(document))
        for document in documents
        if (document["kind"], document["metadata"]["name"]) not in LEFT_OUT
    ]
    for document in kept:
        document["metadata"].pop("creationTimestamp", None)
        if document["kind"] in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
            document["metadata"].pop("annotations", None)
            for webhook in document["webhooks"]:
                webhook["clientConfig"]["caBundle"] = ca_bundle
        if document["kind"] == "Deployment":
            document["spec"]["replicas"] = replicas
            _without_proxy(document["spec"]["template"]["spec"])
    return kept


def _without_proxy(pod: dict[str, Any]) -> None:
    pod["containers"] = [container for container in pod["containers"] if container["name"] == "manager"]
    for container in pod["containers"]:
        # Upstream waits 30 s before it asks for the first time; the manager is usually ready sooner.
        for probe in ("readinessProbe", "livenessProbe"):
            if isinstance(container.get(probe), Mapping):
                container[probe] = {**container[probe], "initialDelaySeconds": 2, "periodSeconds": 5}
        container["livenessProbe"]["failureThreshold"] = 24
