"""What a program says of an object before any server has seen it: its name, its faults, what an import would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portolan.embedded.kubernetes import identity
from portolan.embedded.kubernetes.normalize import normalize
from portolan.embedded.kubernetes.properties import UNKNOWN
from portolan.errors import PortolanError

Properties = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Kinds whose deletion need not be awaited where pulumi.com/skipAwait says so: those of the official provider.
SKIPPABLE_DELETES = frozenset(
    {
        "v1/Namespace", "v1/Pod", "v1/ReplicationController", "apps/v1/DaemonSet", "apps/v1/Deployment",
        "apps/v1/StatefulSet", "batch/v1/Job",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """What Check answers: the inputs with every default, and what is wrong with them (property, reason)."""

    inputs: Properties
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Naming:
    """The engine's wishes for names that are made up."""

    seed: bytes = b""
    proposed: str = ""
    disabled: bool = False


def named(urn: str, old: Properties, new: Properties, naming: Naming) -> Properties:
    """Return inputs with a name: their own, that of the object as it is, the engine's proposal, or one that is made up.

    Raises PortolanError where they have none and the engine may not make one up.
    """
    if identity.is_named(new) or identity.is_generated(new):
        return new
    if old:
        return identity.with_name(new, identity.name(old)) if identity.is_true(old, identity.AUTONAMED) else new
    if naming.disabled:
        raise PortolanError(urn, "autonaming is disabled", "set metadata.name")
    return identity.with_name(new, naming.proposed or identity.unique(f"{identity.urn_name(urn)}-", naming.seed))


def importable(live: Mapping[str, Any]) -> Properties:
    """Return those parts of a live object that a program could have set."""
    result = normalize({key: value for key, value in live.items() if key != "status"})
    held = dict(result.get("metadata") or {})
    annotations = {
        key: value
        for key, value in (held.get("annotations") or {}).items()
        if key not in (LAST_APPLIED, "deployment.kubernetes.io/revision")
    }
    held.pop("annotations", None)
    if annotations:
        held["annotations"] = annotations
    return {**result, "metadata": held}


def faults(new: Properties, patch: bool, server_side: bool) -> tuple[tuple[str, str], ...]:
    """Return what is wrong with inputs before any server has seen them."""
    held = new["metadata"]
    if held is not UNKNOWN and not isinstance(held, dict):
        return (("metadata", "is not a map"),)
    for key in ("apiVersion", "kind"):
        if new[key] is not UNKNOWN and not isinstance(new[key], str):
            return ((key, "is not a string"),)
    if patch and not server_side:
        return (("", "a Patch needs server-side apply: set enableServerSideApply on the provider"),)
    if patch and not identity.is_named(new):
        return (("metadata.name", "a Patch must name the object that it patches"),)
    if identity.is_generated(new) and server_side:
        return (("metadata.generateName", "is not supported with server-side apply: leave the name out, or set it"),)
    return ()


def skips_delete(inputs: Mapping[str, Any]) -> bool:
    """Tell whether nobody waits until an object of these inputs is gone."""
    kind = f"{inputs.get('apiVersion')}/{inputs.get('kind')}"
    return identity.is_true(inputs, identity.SKIP_AWAIT) and kind in SKIPPABLE_DELETES
