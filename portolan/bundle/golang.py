"""Building binaries from their Go modules, through the module proxy, locked by go.mod and go.sum."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from portolan.bundle.lock import Binary, Module
from portolan.bundle.processes import require_tool
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError

# Part of every key: a change of flags makes new binaries.
FLAGS = ("-mod=readonly", "-trimpath", "-gcflags=all=-dwarf=false")
LINKER_FLAGS = "-s -w"
REMEDY = "check that the Go module proxy (go env GOPROXY) can be reached, or name a mirror with PORTOLAN_MIRROR"


def environment(cache: Path) -> dict[str, str]:
    """Return the environment of every Go command: static binaries, caches below PORTOLAN_CACHE."""
    return {
        "GOMODCACHE": str(cache / "go" / "mod"),
        "GOCACHE": str(cache / "go" / "build"),
        "CGO_ENABLED": "0",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOGC": "400",  # the compiler spends a fifth of its time in garbage collection at the default of 100
    }


def linker_flags(module: Module) -> str:
    """Return the linker flags of a module's binaries."""
    return f"{LINKER_FLAGS} {module.ldflags}".strip()


def build(
    workshop: Workshop, artefact: str, module: Module, binaries: Sequence[Binary], directory: Path, priority: int
) -> None:
    """Build binaries of one module into `directory`.

    Raises PortolanError where there is no Go, the proxy refuses a module, or a build fails.
    """
    go = require_tool("go", "golang")
    packages = [binary.module.package for binary in binaries if binary.module is not None]
    settings = environment(workshop.cache)
    with workshop.turn("download", artefact, "fetching modules", priority):
        listed = ["list", "-mod=readonly", "-deps", "-f", "{{.ImportPath}}", *packages]
        workshop.run(artefact, [go, *listed], remedy=REMEDY, cwd=module.directory, environment=settings)
    with (
        workshop.turn("compile", artefact, f"compiling {len(packages)} binaries", priority),
        workshop.store.workplace() as made,
    ):
        command = [go, "build", *FLAGS, "-ldflags", linker_flags(module), "-o", f"{made}/", *packages]
        workshop.run(artefact, command, remedy=REMEDY, cwd=module.directory, environment=settings)
        directory.mkdir(parents=True, exist_ok=True)
        for binary in binaries:
            assert binary.module is not None
            shutil.move(made / program_name(binary.module.package), directory / binary.name)


def program_name(package: str) -> str:
    """Return the file name that `go build` gives a package's program.

    >>> program_name("go.etcd.io/etcd/server/v3"), program_name("k8s.io/kubernetes/cmd/kubelet")
    ('server', 'kubelet')
    """
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v[0-9]+", parts[-1]) else parts[-1]


def module_directory(workshop: Workshop, artefact: str, module: Module) -> Path:
    """Return a module's extracted source in the module cache, fetching it where it is not there."""
    go = require_tool("go", "golang")
    command = [go, "mod", "download", "-json", f"{module.path}@{module.version}"]
    output = workshop.run(
        artefact, command, remedy=REMEDY, cwd=module.directory, environment=environment(workshop.cache)
    )
    found = json.loads(output).get("Dir")
    if not found:
        raise PortolanError(module.path, f"version {module.version} cannot be had", REMEDY)
    return Path(found)
