"""A release's inputs: names, defaults, and the options and values that `helm` gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from portolan.embedded.kubernetes import identity
from portolan.embedded.kubernetes.properties import UNKNOWN, Asset, Secret, mark_secrets, reveal
from portolan.errors import PortolanError

Properties = dict[str, Any]

# What the official provider waits, in seconds, where the program says nothing.
DEFAULT_TIMEOUT_SECONDS = 300
SWITCHES = (
    "allowNullValues", "atomic", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel", "disableCRDHooks",
    "disableOpenapiValidation", "disableWebhooks", "forceUpdate", "lint", "recreatePods", "renderSubchartNotes",
    "replace", "resetValues", "reuseValues", "skipAwait", "skipCrds", "verify", "waitForJobs",
)  # fmt: skip
TEXTS = ("chart", "description", "keyring", "name", "namespace", "postrender", "version")
# Outputs that the program cannot set.
OUTPUTS = ("resourceNames", "status")


def merge(base: Any, over: Any) -> Any:
    """Return two values trees as one; what is in `over` wins, maps are merged.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    if isinstance(base, dict) and isinstance(over, dict):
        return {key: merge(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}
    return over


def with_defaults(urn: str, olds: Mapping[str, Any], news: Mapping[str, Any], namespace: str) -> Properties:
    """Return a release's inputs with every default filled in, as the official provider saves them."""
    result = {key: value for key, value in news.items() if key not in OUTPUTS and value is not None}
    if not reveal(result.get("name")):
        old = reveal(olds.get("name"))
        result["name"] = old or identity.unique(f"{identity.urn_name(urn)}-")
    if not reveal(result.get("namespace")):
        result["namespace"] = namespace
    if not reveal(result.get("skipAwait")) and result.get("timeout") is None:
        result["timeout"] = DEFAULT_TIMEOUT_SECONDS
    if reveal(result.get("verify")) is True and not result.get("keyring"):
        result["keyring"] = str(Path.home() / ".gnupg" / "pubring.gpg")
    result["values"] = merged_values(result)
    result.pop("valueYamlFiles", None)
    for name in SWITCHES:
        result.setdefault(name, False)
    for name in TEXTS:
        result.setdefault(name, "")
    return result


def merged_values(inputs: Mapping[str, Any]) -> Any:
    """Return the values of the YAML files, and over them those of the program, secret where those are."""
    given = inputs.get("values")
    files = inputs.get("valueYamlFiles")
    if files is UNKNOWN or given is UNKNOWN:
        return UNKNOWN
    secret = isinstance(files, Secret)
    merged: Any = {}
    for one in reveal(files) or []:
        merged = merge(merged, one if one is UNKNOWN else _file(one))
        if one is UNKNOWN:
            return UNKNOWN
    merged = merge(merged, reveal(given) or {})
    return Secret(merged) if secret else mark_secrets(merged, given)


def _file(asset: Any) -> Any:
    if not isinstance(asset, Asset):
        raise PortolanError("valueYamlFiles", "holds what is no asset", "give pulumi.FileAsset or pulumi.StringAsset")
    text = asset.fields.get("text")
    if text is None:
        try:
            text = Path(asset.path).read_text()
        except OSError as error:
            raise PortolanError(
                f"valueYamlFiles: {asset.path}", str(error.strerror), "give a file that exists"
            ) from error
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise PortolanError(f"valueYamlFiles: {asset.path}", f"is no YAML: {error}", "mend it") from error


def chart_options(release: Mapping[str, Any]) -> list[str]:
    """Return the options that tell where the chart comes from and at which version."""
    repository = release.get("repositoryOpts") or {}
    pairs = {
        "--version": release.get("version"),
        "--repo": repository.get("repo"),
        "--ca-file": repository.get("caFile"),
        "--cert-file": repository.get("certFile"),
        "--key-file": repository.get("keyFile"),
        "--username": repository.get("username"),
        "--password": repository.get("password"),
        "--keyring": release.get("keyring") if release.get("verify") else None,
    }
    flags = [flag for flag, key in (("--devel", "devel"), ("--verify", "verify")) if release.get(key)]
    return [*flags, *(word for flag, value in pairs.items() if value for word in (flag, str(value)))]


def _flags(release: Mapping[str, Any], table: Mapping[str, str]) -> list[str]:
    return [flag for key, flag in table.items() if release.get(key)]


_BOTH = {
    "atomic": "--atomic",
    "dependencyUpdate": "--dependency-update",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "renderSubchartNotes": "--render-subchart-notes",
    "skipCrds": "--skip-crds",
}
_INSTALL = {**_BOTH, "createNamespace": "--create-namespace", "disableWebhooks": "--no-hooks", "replace": "--replace"}
_UPGRADE = {
    **_BOTH,
    "cleanupOnFail": "--cleanup-on-fail",
    "disableCRDHooks": "--no-hooks",
    "forceUpdate": "--force",
    "recreatePods": "--recreate-pods",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
}


def install_options(release: Mapping[str, Any]) -> list[str]:
    """Return the options of `helm install`."""
    return [*_flags(release, _INSTALL), *_waiting(release)]


def upgrade_options(release: Mapping[str, Any]) -> list[str]:
    """Return the options of `helm upgrade`."""
    history = release.get("maxHistory")
    return [
        *_flags(release, _UPGRADE),
        *_waiting(release),
        *(["--history-max", str(history)] if history is not None else []),
    ]


def _waiting(release: Mapping[str, Any]) -> list[str]:
    options = ["--timeout", f"{int(release.get('timeout') or DEFAULT_TIMEOUT_SECONDS)}s"]
    if not release.get("skipAwait"):
        options += ["--wait", *(["--wait-for-jobs"] if release.get("waitForJobs") else [])]
    if release.get("description"):
        options += ["--description", str(release["description"])]
    command = str(release.get("postrender") or "").split()
    if command:
        options += ["--post-renderer", command[0]]
        options += [word for argument in command[1:] for word in ("--post-renderer-args", argument)]
    return options


def resource_names(manifest: str) -> dict[str, list[str]]:
    """Return what a release made: `Kind.group/version` (core: `Kind/version`) to names, as the official state has it.

    >>> resource_names("apiVersion: v1\\nkind: Service\\nmetadata: {name: web, namespace: shop}")
    {'Service/v1': ['shop/web']}
    """
    names: dict[str, list[str]] = {}
    for document in yaml.load_all(manifest, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if not isinstance(document, Mapping) or not document.get("kind"):
            continue
        group, _, version = str(document.get("apiVersion")).rpartition("/")
        key = f"{document['kind']}.{group}/{version}" if group else f"{document['kind']}/{version}"
        names.setdefault(key, []).append(identity.identity(document))
    return names


def redacted(arguments: Sequence[str]) -> list[str]:
    """Return a command line that may be shown: without the password."""
    return ["***" if place and arguments[place - 1] == "--password" else word for place, word in enumerate(arguments)]
