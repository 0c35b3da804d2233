"""Functions that programs call: YAML decoded, charts rendered, kustomizations built."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from portolan.embedded.kubernetes import identity
from portolan.embedded.kubernetes.helm.command import CommandFailed, Helm, executable, run, secret_file
from portolan.errors import PortolanError

Objects = list[dict[str, Any]]
Namespaced = Callable[[str, str], bool]

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ManifestLoader(_Base):  # type: ignore[misc]
    """YAML as Kubernetes reads it: what looks like a date stays text."""


ManifestLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def decode(text: str, default_namespace: str, namespaced: Namespaced) -> Objects:
    """Return the objects of a YAML text, each in `default_namespace` if it names none and its kind has namespaces.

    Documents without kind or apiVersion (an empty template) are left out.
    """
    try:
        documents = list(yaml.load_all(text, Loader=ManifestLoader))
    except yaml.YAMLError as error:
        raise PortolanError("YAML", str(error), "mend the text") from error
    objects: Objects = []
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise PortolanError("YAML", f"a document is a {type(document).__name__}, no object", "mend the text")
        version, kind = document.get("apiVersion"), document.get("kind")
        if not version or not kind:
            continue
        if default_namespace and not identity.namespace(document) and namespaced(str(version), str(kind)):
            document = identity.with_namespace(document, default_namespace)
        objects.append(document)
    return objects


def render(helm: Helm, options: Mapping[str, Any], capabilities: tuple[str, list[str]] | None) -> str:
    """Return what `helm template` renders for the options of the SDK's `Chart`.

    `capabilities` are the cluster's version and APIs, which templates may ask for.
    """
    fetch = options.get("fetch_opts") or {}
    repository = str(options.get("repo") or "")
    if repository.startswith("http"):
        raise PortolanError(
            f"repo: {repository}",
            "`repo` is the name of a repository, no address",
            "give the address as fetch_opts.repo",
        )
    chart = str(options.get("path") or options.get("chart") or "")
    with tempfile.TemporaryDirectory(prefix="portolan-") as folder:
        if not options.get("path") and not Path(chart).exists():
            chart = _pulled(helm, chart, repository, options, fetch, folder)
        arguments = ["template", str(options.get("release_name") or "release-name"), chart]
        arguments += ["--namespace", str(options.get("namespace") or "default")]
        arguments += [] if options.get("skip_crd_rendering") else ["--include-crds"]
        arguments += [] if options.get("include_test_hook_resources") else ["--skip-tests"]
        version, apis = capabilities or ("", [])
        version = str(options.get("kube_version") or version)
        apis = list(options.get("api_versions") or apis)
        arguments += ["--kube-version", version] if version else []
        arguments += ["--api-versions", ",".join(apis)] if apis else []
        with secret_file(options.get("values") or {}) as file:
            return _said(helm, [*arguments, "--values", str(file)], chart)


def _pulled(
    helm: Helm, chart: str, repository: str, options: Mapping[str, Any], fetch: Mapping[str, Any], folder: str
) -> str:
    named = chart if not repository or chart.startswith(f"{repository}/") else f"{repository.rstrip('/')}/{chart}"
    pairs = {
        "--version": options.get("version") or fetch.get("version"),
        "--repo": fetch.get("repo"),
        "--ca-file": fetch.get("ca_file"),
        "--cert-file": fetch.get("cert_file"),
        "--key-file": fetch.get("key_file"),
        "--keyring": fetch.get("keyring"),
        "--username": fetch.get("username"),
        "--password": fetch.get("password"),
    }
    arguments = ["pull", named, "--untar", "--untardir", folder]
    arguments += [word for flag, value in pairs.items() if value for word in (flag, str(value))]
    arguments += [flag for flag in ("devel", "verify", "prov") if fetch.get(flag) for flag in [f"--{flag}"]]
    _said(helm, arguments, named)
    return str(next(one for one in Path(folder).iterdir() if one.is_dir()))


def _said(helm: Helm, arguments: list[str], chart: str) -> str:
    try:
        return helm.run(arguments, cluster=False)
    except CommandFailed as error:
        raise PortolanError(
            f"chart {chart}", f"helm {arguments[0]}: {error}", "mend the chart, its values or its repository"
        ) from error


def kustomize(directory: str, cancelled: threading.Event) -> str:
    """Return what `kubectl kustomize` builds."""
    try:
        return run([executable("kubectl"), "kustomize", directory], os.environ, cancelled)
    except CommandFailed as error:
        raise PortolanError(f"kustomization {directory}", str(error), "mend the kustomization") from error


def chart_options(text: str) -> dict[str, Any]:
    """Return the options that the SDK sends as JSON."""
    parsed = json.loads(text)
    if not isinstance(parsed, dict):
        raise PortolanError("jsonOpts", "is no JSON object", "use the SDK's Chart")
    return parsed
