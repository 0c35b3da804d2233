"""What the engine keeps of an object: the live object, its inputs, its first apiVersion and its field manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portolan.embedded.kubernetes.properties import Secret, mark_secrets, reveal

INPUTS = "__inputs"
INITIAL_API_VERSION = "__initialApiVersion"
FIELD_MANAGER = "__fieldManager"

# Pulumi's SDKs cannot spell a dash in a property's name: schemas of CustomResourceDefinitions have these.
_DASHED = {
    f"x_kubernetes_{name}": f"x-kubernetes-{name.replace('_', '-')}"
    for name in (
        "embedded_resource",
        "int_or_string",
        "list_map_keys",
        "list_type",
        "map_type",
        "preserve_unknown_fields",
        "validations",
    )
}
_UNDERSCORED = {dashed: underscored for underscored, dashed in _DASHED.items()}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value


def to_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties as a Kubernetes object (without secrets' wrapping, with dashes); unknowns stay."""
    renamed: dict[str, Any] = _renamed(reveal(dict(properties)), _DASHED)
    return renamed


def to_properties(target: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Kubernetes object as properties, secret where `like` is."""
    marked: dict[str, Any] = mark_secrets(_renamed(dict(target), _UNDERSCORED), like)
    return marked


@dataclass(frozen=True)
class Saved:
    """What the engine has of an object from the last time."""

    inputs: dict[str, Any]
    live: dict[str, Any]
    initial_api_version: str | None
    field_manager: str | None


def parse(properties: Mapping[str, Any]) -> Saved:
    """Return the parts of a saved state; all are empty where there is none."""
    live = to_object(properties)
    inputs = live.pop(INPUTS, None) or {}
    return Saved(inputs, live, live.pop(INITIAL_API_VERSION, None), live.pop(FIELD_MANAGER, None))


def checkpoint(
    inputs: Mapping[str, Any],
    live: Mapping[str, Any],
    secret_like: Mapping[str, Any],
    initial_api_version: str,
    field_manager: str,
) -> dict[str, Any]:
    """Return what the engine is to keep. What a Secret holds is secret even where the program did not say so."""
    is_secret = live.get("kind") == "Secret" and live.get("apiVersion") == "v1"
    state = to_properties(live, secret_like)
    saved_inputs = to_properties(inputs, secret_like)
    if is_secret:
        state, saved_inputs = secret_content(state), secret_content(saved_inputs)
    return {
        **state,
        INPUTS: saved_inputs,
        INITIAL_API_VERSION: initial_api_version,
        FIELD_MANAGER: field_manager,
    }


def secret_content(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Secret's properties with its content marked; annotations may repeat it, so theirs is marked too."""

    def marked(key: str, value: Any) -> Any:
        return Secret(value) if key in ("data", "stringData") and not isinstance(value, Secret) else value

    result = {key: marked(key, value) for key, value in properties.items()}
    held = result.get("metadata")
    if isinstance(held, dict) and isinstance(held.get("annotations"), dict):
        last = "kubectl.kubernetes.io/last-applied-configuration"
        annotations = {key: Secret(value) if key == last else value for key, value in held["annotations"].items()}
        result["metadata"] = {**held, "annotations": annotations}
    return result


Progress = Callable[[str], None]
