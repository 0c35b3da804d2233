"""The training of the risk model: the kit's own chart `risk-training`, awaited until the job SUCCEEDED."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pulumi

from stacks.platform.capability import Capability
from stacks.platform.helm import render
from stacks.platform.objects import KubernetesObject
from stacks.settings import TrainingParameters

NAME = "risk-training"
VERSION_LENGTH = 12
# Loading the image into Ray's first processes and waiting for nodes comes on top of the training's own deadline.
AWAIT_MARGIN_SECONDS = 300


@dataclass(frozen=True)
class WorkerGroup:
    """How many pods of one kind, and what each asks for."""

    replicas: int
    cpu_millicores: int
    memory_mebibytes: int


@dataclass(frozen=True)
class TrainingArgs:
    """Image, data, where models go, and the cluster's size."""

    provider: pulumi.ProviderResource
    kubernetes_version: str
    chart: Path
    namespace: str
    image: str
    data_image: str
    data_uri: str
    models_uri: str
    store_url: str
    region: str
    credentials_secret: str
    head: WorkerGroup
    workers: WorkerGroup
    minimum_nodes: int
    parameters: TrainingParameters


def model_version(args: TrainingArgs) -> str:
    """Return the version of the model that this training makes: a digest of everything that decides the model.

    How large the cluster is or how long it may take is not part of it: the same model comes out.
    """
    decides = {"image": args.image, "data": args.data_image, "uri": args.data_uri}
    return sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:VERSION_LENGTH]


class Training(Capability):
    """The RayJob. Outputs `model_uri` and `model_version`, known when the model is there."""

    model_uri: pulumi.Output[str]
    model_version: pulumi.Output[str]

    def __init__(self, name: str, args: TrainingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Training", name, opts)
        self.version_text = model_version(args)
        self.model_uri_text = f"{args.models_uri}/{self.version_text}"
        documents = render(
            args.chart,
            NAME,
            args.namespace,
            chart_values(args, self.model_uri_text),
            args.kubernetes_version,
            args.provider,
        )
        # A job runs once: a changed one is another run, and its name is free again before it starts.
        self.jobs = [
            KubernetesObject(document, self.child(replace_on_changes=["spec"], delete_before_replace=True))
            for document in documents
        ]
        done = pulumi.Output.all(*(job.id for job in self.jobs))
        self.model_uri = done.apply(lambda _: self.model_uri_text)
        self.model_version = done.apply(lambda _: self.version_text)
        self.register_outputs({"model_uri": self.model_uri, "model_version": self.model_version})


def chart_values(args: TrainingArgs, model_uri: str) -> dict[str, Any]:
    """Return the chart's values; the annotations tell the provider what to wait for."""
    parameters = args.parameters
    return {
        "image": args.image,
        "data": {"uri": args.data_uri},
        "output": {"uri": f"{model_uri}/"},
        "objectStore": {"url": args.store_url, "region": args.region},
        "credentialsSecret": args.credentials_secret,
        "head": {"cpuMillicores": args.head.cpu_millicores, "memoryMebibytes": args.head.memory_mebibytes},
        "workers": {
            "replicas": args.workers.replicas,
            "cpuMillicores": args.workers.cpu_millicores,
            "memoryMebibytes": args.workers.memory_mebibytes,
            "minimumNodes": args.minimum_nodes,
        },
        "backoffLimit": parameters.backoff_limit,
        "deadlineSeconds": parameters.deadline_seconds,
        "keepClusterSeconds": parameters.keep_cluster_seconds,
        "annotations": {
            "pulumi.com/waitFor": "jsonpath={.status.jobStatus}=SUCCEEDED",
            "pulumi.com/timeoutSeconds": str(parameters.deadline_seconds + AWAIT_MARGIN_SECONDS),
        },
    }
