"""Where models are kept and found: a bucket of the object store, published to whoever reads the ConfigMap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from stacks.platform.capability import Capability


@dataclass(frozen=True)
class ModelRegistryArgs:
    """The bucket, the store's URL, and the namespaces that are told."""

    bucket: str
    store_url: pulumi.Input[str]
    region: str
    namespaces: Sequence[str]


class ModelRegistry(Capability):
    """The registry's location. Output `uri`: what a model's version is appended to, `s3://BUCKET`."""

    uri: pulumi.Output[str]

    def __init__(self, name: str, args: ModelRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ModelRegistry", name, opts)
        self.uri_text = f"s3://{args.bucket}"
        for namespace in args.namespaces:
            kubernetes.core.v1.ConfigMap(
                f"{namespace}-model-registry",
                metadata={"name": "model-registry", "namespace": namespace},
                data={"uri": self.uri_text, "endpoint": args.store_url, "region": args.region},
                opts=self.child(),
            )
        self.uri = pulumi.Output.from_input(self.uri_text)
        self.register_outputs({"uri": self.uri})

    def model(self, name: str, version: str) -> str:
        """Return the URI of one version of a model.

        >>> registry.model("risk-scoring", "0a1b2c")  # doctest: +SKIP
        's3://models/risk-scoring/0a1b2c'
        """
        return f"{self.uri_text}/{name}/{version}"
