"""Kubernetes objects that come as documents (a rendered chart, an upstream manifest) rather than as Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from stacks.platform.capability import Capability

Document = Mapping[str, Any]


def type_token(api_version: str, kind: str) -> str:
    """Return Pulumi's type of a Kubernetes kind.

    >>> type_token("v1", "Secret"), type_token("apps/v1", "Deployment")
    ('kubernetes:core/v1:Secret', 'kubernetes:apps/v1:Deployment')
    """
    version = api_version if "/" in api_version else f"core/{api_version}"
    return f"kubernetes:{version}:{kind}"


def resource_name(document: Document) -> str:
    """Return a name that is unique in the cluster for the document's kind: `namespace/name` or `name`."""
    metadata = document["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


class KubernetesObject(pulumi.CustomResource):
    """One object, exactly as its document says; the provider awaits it as it awaits any object of its kind."""

    def __init__(self, document: Document, opts: pulumi.ResourceOptions) -> None:
        version = pulumi.ResourceOptions(version=kubernetes._utilities.get_version())
        super().__init__(
            type_token(document["apiVersion"], document["kind"]),
            resource_name(document),
            dict(document),
            pulumi.ResourceOptions.merge(opts, version),
        )


def create_operator(
    documents: Iterable[Document],
    capability: Capability,
    after: Sequence[pulumi.Resource] = (),
) -> list[pulumi.Resource]:
    """Create an operator's documents: what its pod needs to start, then the pods, then what only a running one serves.

    In one go, a pod may start before its permissions or its configuration and be put back by seconds.
    """
    before, pods, served = _waves(documents)
    needed = create(before, capability, after)
    return [*needed, *create(pods, capability, [*after, *needed]), *create(served, capability, [*after, *needed])]


def _waves(documents: Iterable[Document]) -> tuple[list[Document], list[Document], list[Document]]:
    before: list[Document] = []
    pods: list[Document] = []
    served: list[Document] = []
    for document in documents:
        kind = document["kind"]
        if kind == "Deployment":
            pods.append(document)
        elif kind in ("APIService", "Service") or kind.endswith("WebhookConfiguration"):
            served.append(document)
        else:
            before.append(document)
    return before, pods, served


def create(
    documents: Iterable[Document],
    capability: Capability,
    after: Sequence[pulumi.Resource] = (),
) -> list[pulumi.Resource]:
    """Create every document as a child of `capability`, after `after`."""
    return [KubernetesObject(document, capability.child(*after)) for document in documents]
