"""Names: of types, kinds, objects and field managers; and the annotations that steer the provider."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from typing import Any

from portolan.embedded.kubernetes.properties import UNKNOWN, Unknown
from portolan.errors import PortolanError

AUTONAMED = "pulumi.com/autonamed"
SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
REPLACE_UNREADY = "pulumi.com/replaceUnready"
PATCH_FORCE = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"
DELETION_POLICY = "pulumi.com/deletionPropagationPolicy"
HELM_HOOK = "helm.sh/hook"
MANAGED_BY = "app.kubernetes.io/managed-by"

CREATE_MANAGER = "pulumi-kubernetes"
HELM_RELEASE = "kubernetes:helm.sh/v3:Release"
SUFFIX_HEX_DIGITS = 8

Object = dict[str, Any]


def urn_type(urn: str) -> str:
    """Return a resource's own type.

    >>> urn_type("urn:pulumi:dev::shop::my:Component$kubernetes:core/v1:ConfigMap::settings")
    'kubernetes:core/v1:ConfigMap'
    """
    return urn.split("::")[2].rsplit("$", 1)[-1]


def urn_name(urn: str) -> str:
    """Return a resource's name in the program."""
    return urn.split("::", 3)[3]


def kind_of_type(token: str) -> tuple[str, str]:
    """Return the apiVersion and kind that a type token stands for.

    >>> kind_of_type("kubernetes:apps/v1:Deployment"), kind_of_type("kubernetes:core/v1:Secret")
    (('apps/v1', 'Deployment'), ('v1', 'Secret'))
    """
    _, module, kind = token.split(":", 2)
    return module.removeprefix("core/"), kind


def api_version(target: Mapping[str, Any]) -> str:
    """Return an object's apiVersion; `core/v1` is `v1`."""
    return str(target.get("apiVersion") or "").removeprefix("core/")


def is_list(token: str) -> bool:
    """Tell whether a type is a list of objects, which cannot be a resource of its own."""
    _, kind = kind_of_type(token)
    return kind.endswith("List")


def is_patch(token: str, kind: str | None) -> bool:
    """Tell whether a type patches an object that something else owns (`ConfigMapPatch` of kind `ConfigMap`)."""
    _, type_kind = kind_of_type(token)
    return type_kind.endswith("Patch") and (kind or "") == type_kind.removesuffix("Patch")


def metadata(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object's metadata, or an empty map while it is unknown."""
    found = target.get("metadata")
    return found if isinstance(found, Mapping) else {}


def name(target: Mapping[str, Any]) -> str:
    """Return an object's name, or an empty string while it has none or an unknown one."""
    found = metadata(target).get("name")
    return found if isinstance(found, str) else ""


def namespace(target: Mapping[str, Any]) -> str:
    """Return an object's namespace, or an empty string."""
    found = metadata(target).get("namespace")
    return found if isinstance(found, str) else ""


def identity(target: Mapping[str, Any]) -> str:
    """Return the id of an object: `namespace/name`, or `name` where the kind has no namespaces."""
    return f"{namespace(target)}/{name(target)}" if namespace(target) else name(target)


def parse_identity(text: str) -> tuple[str, str]:
    """Return namespace and name of an id.

    >>> parse_identity("shop/db"), parse_identity("node-1")
    (('shop', 'db'), ('', 'node-1'))
    """
    first, slash, rest = text.partition("/")
    if not (rest if slash else first):
        raise PortolanError(
            f"id {text!r}", "names no object", "write NAMESPACE/NAME, or NAME where there is no namespace"
        )
    return (first, rest) if slash else ("", first)


def annotation(target: Mapping[str, Any], key: str) -> str | None:
    """Return an annotation's value."""
    annotations = metadata(target).get("annotations")
    value = annotations.get(key) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) else None


def is_true(target: Mapping[str, Any], key: str) -> bool:
    """Tell whether an annotation says "true"."""
    return annotation(target, key) == "true"


def is_named(target: Mapping[str, Any]) -> bool:
    """Tell whether an object has a name, be it one that is not known yet."""
    return isinstance(metadata(target).get("name"), Unknown) or bool(name(target))


def is_generated(target: Mapping[str, Any]) -> bool:
    """Tell whether the API server is to make up the name."""
    return not is_named(target) and bool(metadata(target).get("generateName"))


def unique(prefix: str, seed: bytes = b"") -> str:
    """Return `prefix` and eight hexadecimal digits; the engine's seed, where given, makes them the same each time."""
    if seed:
        digits = random.Random(seed).getrandbits(4 * SUFFIX_HEX_DIGITS)
        return f"{prefix}{digits:0{SUFFIX_HEX_DIGITS}x}"
    return prefix + secrets.token_hex(SUFFIX_HEX_DIGITS // 2)


def with_name(target: Object, given: str) -> Object:
    """Return the object under a name that was made up, with the annotation that says so."""
    held = target.get("metadata")
    if held is UNKNOWN:
        return target
    held = dict(held or {})
    held["name"] = given
    annotations = held.get("annotations")
    if annotations is not UNKNOWN:
        held["annotations"] = {**(annotations or {}), AUTONAMED: "true"}
    return {**target, "metadata": held}


def with_namespace(target: Object, given: str) -> Object:
    """Return the object in a namespace; an empty one takes the namespace away."""
    held = target.get("metadata")
    if held is UNKNOWN:
        return target
    held = {key: value for key, value in (held or {}).items() if key != "namespace"}
    if given:
        held["namespace"] = given
    return {**target, "metadata": held}


def with_managed_by(target: Object) -> Object:
    """Return the object with the label that client-side apply leaves."""
    held = target.get("metadata")
    if held is UNKNOWN or (held or {}).get("labels") is UNKNOWN:
        return target
    held = dict(held or {})
    held["labels"] = {**(held.get("labels") or {}), MANAGED_BY: "pulumi"}
    return {**target, "metadata": held}


def has_managed_by(target: Mapping[str, Any]) -> bool:
    """Tell whether the object bears that label."""
    labels = metadata(target).get("labels")
    return isinstance(labels, Mapping) and labels.get(MANAGED_BY) == "pulumi"
