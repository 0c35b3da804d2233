"""A model beside risk scoring: the kit's chart `customs-model`, its training awaited, then its InferenceService."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pulumi

from stacks.platform.capability import Capability
from stacks.platform.helm import render
from stacks.platform.objects import KubernetesObject, create

VERSION_LENGTH = 12
TRAINING_TIMEOUT_SECONDS = 1800
READY_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class UseCase:
    """What the chart needs to know of a model: its module, whether it learns from the declarations, an example."""

    module: str
    example: Mapping[str, Any]
    learns_from_declarations: bool = False


# 48 x 32 pixels of white: enough to see that an image is read and looked at.
BLANK_SCAN = (
    "iVBORw0KGgoAAAANSUhEUgAAADAAAAAgCAAAAABxv6TAAAAAHUlEQVR4nGP8"
    "z0AaYCJR/aiGUQ2jGkY1jGoYkhoA41sBPzYJ4D4AAAAASUVORK5CYII="
)

USE_CASES: Mapping[str, UseCase] = {
    "hs-classification": UseCase("hs_classification", {"description": "green coffee beans"}),
    "valuation": UseCase(
        "valuation",
        {"hs6_code": "090111", "country_of_origin": "BR", "net_mass": 100.0, "item_price": 400.0},
        learns_from_declarations=True,
    ),
    "xray-inspection": UseCase("xray_inspection", {"image": {"b64": BLANK_SCAN}}),
}


@dataclass(frozen=True)
class CustomsModelArgs:
    """Image, data, where the model goes, and size."""

    provider: pulumi.ProviderResource
    kubernetes_version: str
    chart: Path
    namespace: str
    use_case: UseCase
    image: str
    data_image: str
    data_uri: str
    models_uri: str
    store_url: str
    region: str
    credentials_secret: str
    replicas: int
    cpu_millicores: int
    memory_mebibytes: int
    training_cpu_millicores: int
    training_memory_mebibytes: int
    endpoint_secret: str
    endpoint_digest: str
    audience: str
    log: Mapping[str, Any]  # what `decision_log` gives the chart
    accelerators: Mapping[str, int] = field(default_factory=dict)
    runtime_class: str = ""


class CustomsModel(Capability):
    """The model. Output `model_uri`, known when its service is ready; `address` is where it is asked in the cluster."""

    model_uri: pulumi.Output[str]

    def __init__(self, name: str, args: CustomsModelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("CustomsModel", name, opts)
        self.model_uri_text = f"{args.models_uri}/{model_version(args)}"
        # KServe's Service answers on port 80, whatever is spoken there.
        self.address = f"https://{name}-predictor.{args.namespace}:80/{name}"
        self.caller_role = f"{name}-caller"
        documents = render(
            args.chart,
            name,
            args.namespace,
            chart_values(args, self.model_uri_text),
            args.kubernetes_version,
            args.provider,
        )
        # A job runs once: a changed one is another run, and its name is free again before it starts.
        jobs: Sequence[pulumi.Resource] = [
            KubernetesObject(document, self.child(replace_on_changes=["spec"], delete_before_replace=True))
            for document in documents
            if document["kind"] == "Job"
        ]
        served = create([one for one in documents if one["kind"] != "Job"], capability=self, after=jobs)
        done = pulumi.Output.all(*(one.id for one in served if isinstance(one, pulumi.CustomResource)))
        self.model_uri = done.apply(lambda _: self.model_uri_text)
        self.register_outputs({"model_uri": self.model_uri})


def model_version(args: CustomsModelArgs) -> str:
    """Return the version of the model: a digest of everything that decides it."""
    decides = {"image": args.image}
    if args.use_case.learns_from_declarations:
        decides |= {"data": args.data_image, "uri": args.data_uri}
    return sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:VERSION_LENGTH]


def chart_values(args: CustomsModelArgs, model_uri: str) -> dict[str, Any]:
    """Return the chart's values; the annotations tell the provider what to wait for."""
    return {
        "image": args.image,
        "module": args.use_case.module,
        "model": {"uri": model_uri},
        "training": {
            "enabled": True,
            "arguments": ["--data", args.data_uri] if args.use_case.learns_from_declarations else [],
            "deadlineSeconds": TRAINING_TIMEOUT_SECONDS,
            "resources": {
                "cpuMillicores": args.training_cpu_millicores,
                "memoryMebibytes": args.training_memory_mebibytes,
            },
        },
        "objectStore": {"url": args.store_url, "region": args.region},
        "credentialsSecret": args.credentials_secret,
        "endpointSecret": args.endpoint_secret,
        "endpointDigest": args.endpoint_digest,
        "audience": args.audience,
        **args.log,
        "replicas": args.replicas,
        "resources": {"cpuMillicores": args.cpu_millicores, "memoryMebibytes": args.memory_mebibytes},
        "accelerators": dict(args.accelerators),
        "runtimeClass": args.runtime_class,
        "example": json.dumps(args.use_case.example),
        "annotations": {
            "training": {"pulumi.com/timeoutSeconds": str(TRAINING_TIMEOUT_SECONDS)},
            "service": {
                "pulumi.com/waitFor": "condition=Ready",
                "pulumi.com/timeoutSeconds": str(READY_TIMEOUT_SECONDS),
            },
        },
    }
