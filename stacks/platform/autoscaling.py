"""What pods use, told to the cluster: upstream's metrics server, without which no autoscaler has anything to go by."""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from portolan.platform.pki import ServingCertificate
from stacks.platform.capability import Capability
from stacks.platform.certificates import Certificates, CertificatesArgs
from stacks.platform.helm import render
from stacks.platform.objects import Document, create_operator

NAME = "metrics-server"
NAMESPACE = "kube-system"
SECRET = "metrics-server-cert"


@dataclass(frozen=True)
class MetricsServerArgs:
    """Chart, image, certificate and size."""

    provider: pulumi.ProviderResource
    kubernetes_version: str
    chart: Path
    image: str
    authority_certificate: str
    serving: ServingCertificate
    cpu_millicores: int
    memory_mebibytes: int


class MetricsServer(Capability):
    """The API `metrics.k8s.io`, which the API server reaches with a certificate of the platform's authority."""

    def __init__(self, name: str, args: MetricsServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("MetricsServer", name, opts)
        certificates = Certificates(
            f"{name}-certificates",
            CertificatesArgs(args.authority_certificate, args.serving, NAMESPACE, SECRET),
            pulumi.ResourceOptions(parent=self),
        )
        documents = served_documents(
            render(args.chart, NAME, NAMESPACE, chart_values(args), args.kubernetes_version, args.provider),
            b64encode(args.authority_certificate.encode()).decode(),
        )
        create_operator(documents, capability=self, after=[certificates.secret])
        self.register_outputs({})


def chart_values(args: MetricsServerArgs) -> dict[str, Any]:
    """Return the values of upstream's chart."""
    image, tag = args.image.rsplit(":", 1)
    return {
        "image": {"repository": image, "tag": tag},
        "apiService": {"insecureSkipTLSVerify": False},
        "tls": {"type": "existingSecret", "existingSecret": {"name": SECRET, "lookup": False}},
        # kubeadm's kubelets sign their own serving certificates, which no authority vouches for: the line is encrypted,
        # and what is asked for is how much pods use.
        "args": ["--kubelet-insecure-tls"],
        "securityContext": {"runAsUser": 65532},
        # The chart's 0 is a default that the API server leaves out again, so every preview would find a change.
        "livenessProbe": {"initialDelaySeconds": 5},
        "readinessProbe": {"initialDelaySeconds": 5, "periodSeconds": 5},
        "resources": {
            "requests": {"cpu": f"{args.cpu_millicores}m", "memory": f"{args.memory_mebibytes}Mi"},
            "limits": {"memory": f"{2 * args.memory_mebibytes}Mi"},
        },
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
    }


def served_documents(documents: list[Document], ca_bundle: str) -> list[Document]:
    """Return the chart's documents; the API server is told whose certificate it will meet."""
    made = [deepcopy(dict(document)) for document in documents]
    for document in made:
        if document["kind"] == "APIService":
            document["spec"]["caBundle"] = ca_bundle
    return made
