"""Certificates for admission webhooks, from the platform's own authority."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from portolan.platform.pki import ServingCertificate
from stacks.platform.capability import Capability


@dataclass(frozen=True)
class CertificatesArgs:
    """The authority's certificate (PEM), and what is served with which certificate."""

    authority_certificate: str
    serving: ServingCertificate
    namespace: str
    secret_name: str


class Certificates(Capability):
    """A TLS secret for a webhook server. Output `ca_bundle`: what the API server is to trust (base64 of PEM)."""

    ca_bundle: pulumi.Output[str]

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Certificates", name, opts)
        # Kept as plain text beside the output: a webhook's document needs it while the program runs.
        self.ca_bundle_text = b64encode(args.authority_certificate.encode()).decode()
        self.secret = kubernetes.core.v1.Secret(
            args.secret_name,
            metadata={"name": args.secret_name, "namespace": args.namespace},
            type="kubernetes.io/tls",
            data={
                "tls.crt": b64encode(args.serving.certificate.encode()).decode(),
                "tls.key": pulumi.Output.secret(b64encode(args.serving.private_key.encode()).decode()),
                "ca.crt": self.ca_bundle_text,
            },
            opts=self.child(),
        )
        self.ca_bundle = pulumi.Output.from_input(self.ca_bundle_text)
        self.register_outputs({"ca_bundle": self.ca_bundle, "secret_name": self.secret.metadata.name})
