"""Which Pulumi does the work: official CLI and plugins where they are, else the bundle's and the embedded."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from portolan import paths
from portolan.bundle.view import Bundle
from portolan.errors import PortolanError

EMBEDDED = paths.REPOSITORY / "portolan" / "embedded" / "bin"
LANGUAGE_HOST = "pulumi-language-python"
PROVIDER = "pulumi-resource-kubernetes"


@dataclass(frozen=True)
class Toolchain:
    """The CLI, the folders that must come first on PATH, and who made the plugins."""

    cli: Path
    path: tuple[Path, ...]
    official_cli: bool
    official_plugins: bool

    def describe(self) -> str:
        """Return one line for people."""
        cli = "official CLI" if self.official_cli else "the bundle's CLI (built from Pulumi's module)"
        plugins = (
            "official language host and Kubernetes provider"
            if self.official_plugins
            else "Portolan's embedded language host and Kubernetes provider"
        )
        return f"Pulumi: {cli} {self.cli}, {plugins}"


def find(search_path: str, pulumi_home: str | None) -> Toolchain:
    """Choose CLI and plugins.

    Raises PortolanError where there is no CLI at all.
    """
    bundle = _bundle()
    installed = _which("pulumi", search_path)
    if installed is None and bundle is not None and bundle.has_binary("pulumi"):
        cli, official_cli = bundle.binary("pulumi"), _from_release(bundle)
    elif installed is not None:
        # The official CLI comes with its language host beside it; one built from the module comes alone.
        cli, official_cli = installed, (installed.parent / LANGUAGE_HOST).is_file()
    else:
        raise PortolanError(
            "pulumi", "found neither on PATH nor in the bundle", "run: portolan bundle build (or install Pulumi's CLI)"
        )
    interpreter = Path(sys.executable).parent  # the plugins and the program run in Portolan's own environment
    helpers = [bundle.binary("helm").parent] if bundle is not None and bundle.has_binary("helm") else []
    official = official_cli or _which(LANGUAGE_HOST, search_path) is not None
    official_provider = _has_provider(search_path, pulumi_home)
    if official and official_provider:
        return Toolchain(cli, (interpreter, cli.parent, *helpers), official_cli, official_plugins=True)
    return Toolchain(cli, (interpreter, EMBEDDED, *helpers), official_cli, official_plugins=False)


def _bundle() -> Bundle | None:
    try:
        return Bundle.open(paths.cache())
    except PortolanError:
        return None


def _from_release(bundle: Bundle) -> bool:
    return bundle.has_binary(LANGUAGE_HOST)


def _which(name: str, search_path: str) -> Path | None:
    outside = os.pathsep.join(entry for entry in search_path.split(os.pathsep) if entry and Path(entry) != EMBEDDED)
    found = shutil.which(name, path=outside)
    return Path(found) if found else None


def _has_provider(search_path: str, pulumi_home: str | None) -> bool:
    if _which(PROVIDER, search_path) is not None:
        return True
    bundle = _bundle()
    if bundle is not None and bundle.has_binary(PROVIDER):
        return True
    home = Path(pulumi_home or "~/.pulumi").expanduser()
    return any((home / "plugins").glob("resource-kubernetes-v*/" + PROVIDER))
