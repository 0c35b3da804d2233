"""Runs `helm` (and `kubectl kustomize`) with the provider's own access to the cluster; ends it on Cancel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from portolan import paths
from portolan.bundle.view import Bundle
from portolan.embedded.kubernetes.errors import Cancelled
from portolan.embedded.kubernetes.kubeconfig import Access
from portolan.embedded.kubernetes.settings import HelmSettings
from portolan.errors import PortolanError

# How often a running command is looked at for the engine's Cancel.
LOOK_SECONDS = 0.2
# Helm rolls back or records a failed release when it is told to end; after this it is killed.
ENDING_SECONDS = 20.0


def executable(name: str) -> str:
    """Return the bundle's executable, else the one on PATH."""
    try:
        found = Bundle.open(paths.cache()).binary(name)
        if found.is_file():
            return str(found)
    except PortolanError:
        pass  # no bundle here: PATH may have it
    on_path = shutil.which(name)
    if not on_path:
        raise PortolanError(name, "is neither in the bundle nor on PATH", "run: portolan bundle build")
    return on_path


class CommandFailed(Exception):  # noqa: N818
    """A command ended with an error; the message is what it said."""


@contextmanager
def secret_file(content: Any) -> Iterator[Path]:
    """Give a file of mode 0600 that holds `content` as JSON (which YAML readers read), and remove it afterwards."""
    handle, name = tempfile.mkstemp(prefix="portolan-", suffix=".yaml")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


class Helm:
    """The `helm` command for one cluster. Safe to use from many threads."""

    def __init__(self, access: Access | None, settings: HelmSettings, cancelled: threading.Event) -> None:
        self._access = access
        self._settings = settings
        self._cancelled = cancelled

    def _environment(self) -> dict[str, str]:
        given = {
            "HELM_DRIVER": self._settings.driver,
            "HELM_PLUGINS": self._settings.plugins_path,
            "HELM_REGISTRY_CONFIG": self._settings.registry_config_path,
            "HELM_REPOSITORY_CONFIG": self._settings.repository_config_path,
            "HELM_REPOSITORY_CACHE": self._settings.repository_cache,
        }
        return {**os.environ, **{name: value for name, value in given.items() if value}}

    def run(self, arguments: Sequence[str], *, cluster: bool = True) -> str:
        """Run `helm` and return its standard output.

        Raises CommandFailed with what it said on standard error, Cancelled when the engine asked for the end.
        """
        if not cluster or self._access is None or self._access.content is None:
            return run([executable("helm"), *arguments], self._environment(), self._cancelled)
        with secret_file(self._access.content) as kubeconfig:
            where = ["--kubeconfig", str(kubeconfig), "--kube-context", str(self._access.context)]
            return run([executable("helm"), *arguments, *where], self._environment(), self._cancelled)

    def document(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Run `helm` and return the JSON document that it prints."""
        parsed: dict[str, Any] = json.loads(self.run([*arguments, "--output", "json"]))
        return parsed

    def chart(self, chart: str, options: Sequence[str]) -> dict[str, Any]:
        """Return a chart's Chart.yaml."""
        described = yaml.safe_load(self.run(["show", "chart", chart, *options], cluster=False))
        return described if isinstance(described, dict) else {}


def run(command: Sequence[str], environment: Mapping[str, str], cancelled: threading.Event) -> str:
    """Run a command to its end, or to the engine's Cancel."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True
        )
        while True:
            try:
                process.wait(LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if cancelled.is_set():
                    _end(process)
                    raise Cancelled from None
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise CommandFailed(errors.read().strip().removeprefix("Error: ") or f"exit code {process.returncode}")
        return output.read()


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
