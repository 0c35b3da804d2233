"""`helm.sh/v3:Release`: a chart installed by Helm itself, hooks and history included."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from portolan.embedded.kubernetes import identity
from portolan.embedded.kubernetes.declared import Checked
from portolan.embedded.kubernetes.diff import Differences, differences, parse_path
from portolan.embedded.kubernetes.errors import PartialFailure, Unreachable
from portolan.embedded.kubernetes.helm import values
from portolan.embedded.kubernetes.helm.command import CommandFailed, Helm, secret_file
from portolan.embedded.kubernetes.normalize import prune
from portolan.embedded.kubernetes.properties import UNKNOWN, Secret, has_unknown, mark_secrets, reveal
from portolan.embedded.kubernetes.provider import Outcome
from portolan.embedded.kubernetes.state import INPUTS
from portolan.embedded.plugin import EngineLog
from portolan.errors import PortolanError

Properties = dict[str, Any]
NAMES = (("name",), ("namespace",))
NOT_FOUND = "release: not found"


class Releases:
    """The operations on releases of one cluster."""

    def __init__(self, helm: Helm, log: EngineLog, namespace: str, unreachable: str | None) -> None:
        self._helm = helm
        self._log = log
        self._namespace = namespace
        self._unreachable = unreachable

    def _reach(self) -> None:
        if self._unreachable:
            raise Unreachable(f"configured Kubernetes cluster is unreachable: {self._unreachable}")

    def check(self, urn: str, olds: Properties, news: Properties) -> Checked:
        """Return the inputs with defaults and the chart's version; a chart that cannot be had is a failure."""
        inputs = values.with_defaults(urn, reveal(olds), news, self._namespace)
        if has_unknown(inputs):
            return Checked(inputs)
        release = reveal(inputs)
        try:
            described = self._helm.chart(release["chart"], values.chart_options(release))
        except CommandFailed as error:
            return Checked(inputs, (("chart", f"{error}; check the chart's name and its repository"),))
        inputs["version"] = str(described.get("version") or release["version"])
        return Checked(inputs)

    def diff(self, olds: Properties, news: Properties, ignore_changes: Sequence[str]) -> Differences:
        """Return what changes between the release as Helm last had it and the new inputs."""
        held = reveal(olds)
        old_inputs = held.pop(INPUTS, None) or {}
        new = reveal(news)
        shape = values.merge(old_inputs, {key: value for key, value in new.items() if key in old_inputs})
        ignored = [parse_path(one) for one in ignore_changes]
        return differences(prune(held, shape), new, NAMES, ignored)

    def create(self, urn: str, news: Properties, preview: bool) -> Outcome:
        """Install the chart."""
        if preview:
            return Outcome("", _checkpoint(news, {**news, "resourceNames": UNKNOWN, "status": UNKNOWN}))
        self._reach()
        release = reveal(news)
        return self._changed(urn, news, ["install", *values.install_options(release)], release, "was not installed")

    def update(self, urn: str, olds: Properties, news: Properties, preview: bool) -> Outcome:
        """Upgrade the release."""
        if preview:
            return Outcome("", _checkpoint(news, {**news, "resourceNames": UNKNOWN, "status": UNKNOWN}))
        self._reach()
        release = reveal(news)
        if release.get("lint"):
            with secret_file(release.get("values") or {}) as file:
                self._plain(["lint", release["chart"], "--values", str(file)], release)
        return self._changed(urn, news, ["upgrade", *values.upgrade_options(release)], release, "was not upgraded")

    def _plain(self, arguments: Sequence[str], release: Mapping[str, Any]) -> str:
        try:
            return self._helm.run(arguments)
        except CommandFailed as error:
            raise PortolanError(
                f"Helm release {release['namespace']}/{release['name']}",
                f"helm {arguments[0]}: {error}",
                "mend the chart or its values",
            ) from error

    def _changed(
        self, urn: str, news: Properties, verb: Sequence[str], release: Mapping[str, Any], fault: str
    ) -> Outcome:
        where = f"Helm release {release['namespace']}/{release['name']}"
        object_id = f"{release['namespace']}/{release['name']}"
        before = self._revision(release)
        self._log.status(urn, f"helm {verb[0]} {release['chart']} {release.get('version') or ''}".strip())
        try:
            with secret_file(release.get("values") or {}) as file:
                self._helm.run(
                    [
                        verb[0], release["name"], release["chart"], "--namespace", release["namespace"],
                        "--values", str(file), *verb[1:], *values.chart_options(release),
                    ]
                )  # fmt: skip
        except CommandFailed as error:
            # Helm records a release that failed half-way; what it recorded must stay in the state.
            after = self._revision(release)
            if after is None or after == before:
                raise PortolanError(where, f"{fault}: {error}", "mend the chart, its values or the cluster") from error
            raise PartialFailure(
                object_id,
                f"{where} is there but did not become ready: {error}",
                [],
                _checkpoint(news, self._outputs(news)),
            ) from error
        self._log.status(urn, "")
        return Outcome(object_id, _checkpoint(news, self._outputs(news)))

    def _revision(self, release: Mapping[str, Any]) -> int | None:
        found = self._metadata(release["namespace"], release["name"])
        return found.get("revision") if found else None

    def _metadata(self, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return self._helm.document(["get", "metadata", name, "--namespace", namespace])
        except CommandFailed as error:
            if NOT_FOUND in str(error):
                return None
            raise PortolanError(f"Helm release {namespace}/{name}", f"helm get: {error}", "see the error") from error

    def _outputs(self, inputs: Mapping[str, Any]) -> Properties:
        """Return the release as Helm has it now, over the inputs."""
        release = reveal(dict(inputs))
        namespace, name = release["namespace"], release["name"]
        found = self._metadata(namespace, name) or {}
        where = [name, "--namespace", namespace]
        live = json.loads(self._plain(["get", "values", *where, "--output", "json"], release)) or {}
        manifest = self._plain(["get", "manifest", *where], release)
        outputs = {
            **release,
            "chart": release.get("chart") or found.get("chart") or "",
            "values": values.merge(release.get("values") or {}, live),
            "version": found.get("version") or release.get("version") or "",
            "resourceNames": values.resource_names(manifest),
            "status": {
                "status": found.get("status"),
                "name": name,
                "namespace": namespace,
                "revision": found.get("revision"),
                "chart": found.get("chart"),
                "version": found.get("version"),
                "appVersion": found.get("appVersion"),
            },
        }
        marked: Properties = mark_secrets(outputs, dict(inputs))
        return marked

    def read(self, object_id: str, properties: Properties) -> Outcome | None:
        """Return the release as Helm has it; None where there is none. Without properties this is an import."""
        self._reach()
        state = dict(properties)
        held = state.pop(INPUTS, None)
        inputs = held.value if isinstance(held, Secret) else held
        if inputs:
            namespace, name = reveal(inputs["namespace"]), reveal(inputs["name"])
        else:
            namespace, name = identity.parse_identity(object_id)
        found = self._metadata(namespace or self._namespace, name)
        if found is None:
            return None
        if not inputs:
            inputs = self._imported(found)
        return Outcome(object_id, _checkpoint(inputs, self._outputs(inputs)), dict(inputs))

    def _imported(self, found: Mapping[str, Any]) -> Properties:
        where = [found["name"], "--namespace", found["namespace"]]
        live = json.loads(self._plain(["get", "values", *where, "--output", "json"], found)) or {}
        beside = [f"{found['chart']}-{found['version']}", f"{found['chart']}-{found['version']}.tgz", found["chart"]]
        chart = next((one for one in beside if Path(one).exists()), found["chart"])
        given = {"name": found["name"], "namespace": found["namespace"], "chart": chart, "version": found["version"]}
        return values.with_defaults("::::::", {}, {**given, "values": live}, self._namespace)

    def delete(self, properties: Properties) -> None:
        """Uninstall the release, and wait until what it made is gone."""
        self._reach()
        release = reveal(properties)
        options = ["--timeout", f"{int(release.get('timeout') or values.DEFAULT_TIMEOUT_SECONDS)}s"]
        if release.get("atomic") or not release.get("skipAwait"):
            options.append("--wait")
        try:
            self._helm.run(["uninstall", release["name"], "--namespace", release["namespace"], *options])
        except CommandFailed as error:
            if NOT_FOUND in str(error) or ("not found" in str(error).lower() and "release" in str(error)):
                return
            raise PortolanError(
                f"Helm release {release['namespace']}/{release['name']}",
                f"was not uninstalled: {error}",
                "see the error, then run again",
            ) from error


def _checkpoint(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Properties:
    """Return what the engine keeps: like the official provider, the inputs as one secret."""
    return {**outputs, INPUTS: Secret(dict(inputs))}
