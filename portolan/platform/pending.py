"""Operations that a killed run had begun: what the cluster has of them is taken into the state, the rest begun anew."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PendingObject:
    """A Kubernetes object whose creation was begun."""

    urn: str
    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """Return the object's identity in the state: `namespace/name` or `name`."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def kubectl_kind(self) -> str:
        """Return the kind as kubectl takes it without doubt.

        >>> PendingObject("", "apps/v1", "Deployment", "", "x").kubectl_kind()
        'Deployment.v1.apps'
        """
        group, _, version = self.api_version.rpartition("/")
        return f"{self.kind}.{version}.{group}" if group else self.kind


def pending_names(deployment: Mapping[str, Any]) -> list[str]:
    """Return the names of all resources with an unfinished operation."""
    return sorted(str(one["resource"]["urn"]).split("::", 3)[-1] for one in _operations(deployment))


def begun_elsewhere(deployment: Mapping[str, Any]) -> list[str]:
    """Return the URNs of resources whose creation was begun at a provider that no cluster can be asked about."""
    return [
        str(one["resource"]["urn"])
        for one in _operations(deployment)
        if one.get("type") == "creating" and not str(one["resource"].get("type", "")).startswith("kubernetes:")
    ]


def pending_creations(deployment: Mapping[str, Any]) -> list[PendingObject]:
    """Return the Kubernetes objects whose creation was begun and whose name is known."""
    found = []
    for operation in _operations(deployment):
        inputs = operation["resource"].get("inputs") or {}
        metadata = inputs.get("metadata") or {}
        if operation.get("type") == "creating" and "kind" in inputs and isinstance(metadata.get("name"), str):
            found.append(
                PendingObject(
                    urn=str(operation["resource"]["urn"]),
                    api_version=str(inputs["apiVersion"]),
                    kind=str(inputs["kind"]),
                    namespace=str(metadata.get("namespace") or ""),
                    name=metadata["name"],
                )
            )
    return found


def refresh_arguments(objects: Sequence[PendingObject], exists: Callable[[PendingObject], bool]) -> list[str]:
    """Return what `pulumi refresh` is to do with them: import those that exist, forget the others."""
    arguments = ["--clear-pending-creates"]
    for one in objects:
        if exists(one):
            arguments += ["--import-pending-creates", one.urn, "--import-pending-creates", one.id]
    return arguments


def exists_in_cluster(kubectl: Path, environment: Mapping[str, str]) -> Callable[[PendingObject], bool]:
    """Return a function that asks the cluster whether an object is there."""

    def exists(one: PendingObject) -> bool:
        command = [str(kubectl), "get", one.kubectl_kind(), one.name, "--ignore-not-found", "-o", "name"]
        command += ["--namespace", one.namespace] if one.namespace else []
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
        return done.returncode == 0 and bool(done.stdout.strip())

    return exists


def _operations(deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((deployment.get("deployment") or {}).get("pending_operations") or [])
