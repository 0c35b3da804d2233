"""Charts as documents: the provider's `helm:template` renders, the program decides what to make of the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi

from stacks.platform.objects import Document

# Kinds without a namespace that the charts use, besides those that say so by their name (ClusterRole ...).
CLUSTER_WIDE = frozenset(
    {
        "APIService",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)


def render(
    chart: Path,
    release: str,
    namespace: str,
    values: Mapping[str, Any],
    kubernetes_version: str,
    provider: pulumi.ProviderResource,
) -> list[Document]:
    """Return the documents of the chart at `chart`, without its test hooks.

    Values must be known when the program runs: a chart is rendered in a preview as well.
    """
    options = {
        "path": str(chart),
        "release_name": release,
        "namespace": namespace,
        "values": dict(values),
        "kube_version": kubernetes_version,
        "include_test_hook_resources": False,
        "skip_crd_rendering": False,
    }
    answer = pulumi.runtime.invoke(
        "kubernetes:helm:template",
        {"jsonOpts": json.dumps(options)},
        pulumi.InvokeOptions(provider=provider),
    )
    documents: list[Document] = (answer.value or {}).get("result", [])
    return [without_default_namespace(document) for document in documents if document and not _is_test(document)]


def without_default_namespace(document: Document) -> Document:
    """Return the document without a namespace where its kind has none.

    A renderer gives every object the release's namespace unless the cluster tells it that the kind has none; a
    resource's name would then depend on whether the cluster answers and which definitions it has already.
    """
    kind = str(document["kind"])
    if kind not in CLUSTER_WIDE and not kind.startswith("Cluster"):
        return document
    metadata = {key: value for key, value in document["metadata"].items() if key != "namespace"}
    return {**document, "metadata": metadata}


def _is_test(document: Document) -> bool:
    hook = (document.get("metadata", {}).get("annotations") or {}).get("helm.sh/hook", "")
    return "test" in hook
