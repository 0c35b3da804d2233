"""The risk-scoring service: the kit's own chart `risk-scoring`, awaited until the InferenceService is Ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pulumi

from portolan.platform.pki import ServingCertificate
from stacks.platform.capability import Capability
from stacks.platform.certificates import Certificates, CertificatesArgs
from stacks.platform.helm import render
from stacks.platform.objects import create
from stacks.platform.quotas import ROOM_FACTOR

NAME = "risk-scoring"
READY_TIMEOUT_SECONDS = 600
AUDIENCE = NAME
ENDPOINT_SECRET = "risk-scoring-endpoint"


@dataclass(frozen=True)
class RiskScoringArgs:
    """Image, model and size."""

    provider: pulumi.ProviderResource
    kubernetes_version: str
    chart: Path
    namespace: str
    image: str
    model_uri: str
    credentials_secret: str
    replicas: int
    cpu_millicores: int
    memory_mebibytes: int
    node_port: int
    addresses: Sequence[str]
    endpoint: ServingCertificate
    authority_certificate: str
    log: Mapping[str, Any]  # what `decision_log` gives the chart


class RiskScoring(Capability):
    """The service. Output `urls`: where it answers from outside the cluster, one a node."""

    urls: pulumi.Output[list[str]]

    def __init__(self, name: str, args: RiskScoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("RiskScoring", name, opts)
        certificates = Certificates(
            f"{name}-certificates",
            CertificatesArgs(args.authority_certificate, args.endpoint, args.namespace, ENDPOINT_SECRET),
            pulumi.ResourceOptions(parent=self, depends_on=opts.depends_on if opts else None),
        )
        self.objects = create(
            render(args.chart, NAME, args.namespace, chart_values(args), args.kubernetes_version, args.provider),
            capability=self,
            after=[certificates.secret],
        )
        urls = [f"https://{address}:{args.node_port}" for address in args.addresses]
        self.urls = pulumi.Output.from_input(urls)
        self.register_outputs({"urls": self.urls})


def chart_values(args: RiskScoringArgs) -> dict[str, Any]:
    """Return the chart's values; the annotations tell the provider what to wait for."""
    return {
        "image": args.image,
        "model": {"uri": args.model_uri},
        "credentialsSecret": args.credentials_secret,
        "replicas": args.replicas,
        "replicasMost": args.replicas * ROOM_FACTOR,
        "endpointSecret": ENDPOINT_SECRET,
        "endpointDigest": sha256(args.endpoint.certificate.encode()).hexdigest()[:12],
        "audience": AUDIENCE,
        **args.log,
        "resources": {"cpuMillicores": args.cpu_millicores, "memoryMebibytes": args.memory_mebibytes},
        "nodePort": args.node_port,
        "annotations": {
            "pulumi.com/waitFor": "condition=Ready",
            "pulumi.com/timeoutSeconds": str(READY_TIMEOUT_SECONDS),
        },
    }
