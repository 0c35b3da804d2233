"""Custom resource definitions, made small.

Upstream definitions repeat the whole pod schema wherever a pod template may stand: 3 MB for a dozen kinds, which every
checkpoint of the stack's state would carry several times. The API server checks a pod when the pod is made, so here
those parts only say "an object"; the operators' own fields keep their schema, their defaults and their validation.
KServe publishes such definitions itself (`kserve-crd-minimal`), cut even further.
"""

from __future__ import annotations

from typing import Any

# Fields of the pod (core/v1) and of metadata that upstream copies into its own schemas.
POD_FIELDS = frozenset(
    {
        "affinity",
        "containers",
        "env",
        "envFrom",
        "ephemeralContainers",
        "initContainers",
        "lifecycle",
        "livenessProbe",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "securityContext",
        "startupProbe",
        "template",
        "tolerations",
        "topologySpreadConstraints",
        "volumeDevices",
        "volumeMounts",
        "volumes",
        "volumeClaimTemplates",
    }
)
_OPEN_OBJECT = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def without_pod_schemas(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the definition with pod fields opened and descriptions left out."""
    spec = dict(definition["spec"])
    spec["versions"] = [
        {**version, "schema": {"openAPIV3Schema": _schema(version["schema"]["openAPIV3Schema"])}}
        for version in spec["versions"]
    ]
    return {**definition, "spec": spec}


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    cut = {key: value for key, value in schema.items() if key != "description"}
    if isinstance(cut.get("properties"), dict):
        cut["properties"] = {
            name: _opened(value) if name in POD_FIELDS else _schema(value) for name, value in cut["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(cut.get(key), dict):
            cut[key] = _schema(cut[key])
    return cut


def _opened(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "array" and schema.get("items", {}).get("type") == "object":
        return {"type": "array", "items": dict(_OPEN_OBJECT)}
    if schema.get("type") == "object" and "properties" in schema:
        return dict(_OPEN_OBJECT)
    return _schema(schema)
