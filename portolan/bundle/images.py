"""Images: pulled under their official references where a registry can be reached, else built from Dockerfiles."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from portolan.bundle.lock import ROOM
from portolan.bundle.processes import require_tool
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError

RECIPES = ROOM / "images"
BASE_REPOSITORY = "portolan.invalid/base"
BASE_RECIPE = 2  # raise when the way services' bases are made changes
BUILD_REMEDY = "correct the Dockerfile or what it copies"
_base_guard = threading.Lock()


class Builder:
    """buildah with a store of its own below the cache, so that nobody else's images are touched."""

    def __init__(self, workshop: Workshop, artefact: str) -> None:
        self._workshop = workshop
        self._artefact = artefact
        self._program = require_tool("buildah", "buildah")
        home = workshop.cache / "buildah"
        self._options = ["--root", str(home / "storage"), "--runroot", str(home / "run"), "--storage-driver", "overlay"]
        # No bind mount of the store onto itself, which would outlive the build.
        self._options += ["--storage-opt", "overlay.skip_mount_home=true"]

    def run(self, *arguments: str, remedy: str = BUILD_REMEDY) -> str:
        """Run one buildah command."""
        # buildah makes a user namespace of its own where it is not told that root needs none.
        environment = {"BUILDAH_ISOLATION": "chroot", "_CONTAINERS_USERNS_CONFIGURED": ""}
        command = [self._program, *self._options, *arguments]
        return self._workshop.run(self._artefact, command, remedy=remedy, environment=environment)

    def has(self, reference: str) -> bool:
        """Tell whether the store has an image."""
        found = json.loads(self.run("images", "--json", "--no-trunc") or "[]")
        return any(reference in (image.get("names") or []) for image in found)

    def build(
        self,
        context: Path,
        reference: str,
        arguments: Mapping[str, str],
        *,
        dockerfile: str = "Dockerfile",
        keep_layers: bool = False,
    ) -> None:
        """Build a Dockerfile; RUN steps have no network and nothing is pulled."""
        options = ["--quiet", "--isolation", "chroot", "--pull=never", f"--layers={'true' if keep_layers else 'false'}"]
        options += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        self.run("bud", *options, "--file", str(context / dockerfile), "--tag", reference, str(context))

    def export(self, reference: str, target: Path) -> None:
        """Write one image as a docker-archive that carries its reference."""
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        self.run("push", "--quiet", reference, f"docker-archive:{target}:{reference}", remedy="free some disk space")

    def prune(self, keep: set[str]) -> None:
        """Remove images whose reference is not kept, and layers that no image has; the newest base stays."""
        for image in json.loads(self.run("images", "--json", "--no-trunc") or "[]"):
            names = image.get("names") or []
            if names and not any(name in keep or name.startswith(BASE_REPOSITORY) for name in names):
                self.run("rmi", "--force", image["id"])
        self.run("rmi", "--prune", "--force")

    def remove(self, reference: str) -> None:
        """Remove an image from the store; layers that others use stay."""
        self.run("rmi", "--force", reference)


def ensure_base(workshop: Workshop, builder: Builder, artefact: str, root_sha256: str) -> str:
    """Return the reference of the base image, made from the base root where the store does not have it."""
    reference = f"{BASE_REPOSITORY}:{root_sha256[:12]}"
    with _base_guard:
        if not builder.has(reference):
            with workshop.store.workplace() as context:
                shutil.copy(RECIPES / "base" / "Dockerfile", context / "Dockerfile")
                (context / "root.tar").hardlink_to(workshop.store.object_path(root_sha256))
                builder.build(context, reference, {})
    return reference


def mark_base(workshop: Workshop, builder: Builder, base: str, mounted: str) -> str:
    """Return the base under another identity for each digest of what RUN steps mount.

    buildah finds a step's layer by its command and its parent, not by the content of bind mounts: with one base for
    all, new wheels under an unchanged Dockerfile would be answered from the old layer.
    """
    reference = f"{base}-{mounted[:12]}"
    with _base_guard:
        if not builder.has(reference):
            with workshop.store.workplace() as context:
                text = f'FROM {base}\nLABEL internal.portolan.mounted="{mounted}"\n'
                (context / "Dockerfile").write_text(text, encoding="utf-8")
                builder.build(context, reference, {})
    return reference


def pull(workshop: Workshop, artefact: str, reference: str, target: Path) -> Literal["mirror", "official"] | None:
    """Pull an official image and write its archive; return where it came from, or None where no registry has it."""
    registry, _, rest = reference.partition("/")
    candidates: list[tuple[Literal["mirror", "official"], str, str]] = []
    if workshop.sources.registry_mirror:
        host = workshop.sources.registry_mirror.split("/")[0]
        candidates.append(("mirror", host, f"{workshop.sources.registry_mirror}/{registry}/{rest}"))
    if workshop.sources.official:
        host = "registry-1.docker.io" if registry == "docker.io" else registry
        candidates.append(("official", host, reference))
    for source, host, address in candidates:
        plain = source == "mirror" and is_local(host)
        if not workshop.network.reachable(f"{'http' if plain else 'https'}://{host}/v2/"):
            continue
        builder = Builder(workshop, artefact)
        with workshop.turn("download", artefact, f"pulling ({source})"):
            try:
                verify = "false" if plain else "true"
                identity = builder.run("pull", "--quiet", f"--tls-verify={verify}", f"docker://{address}").split()[-1]
            except PortolanError as reason:
                workshop.say(artefact, f"{source}: {reason.what}")
                continue
            builder.run("tag", identity, reference)
            builder.export(reference, target)
            builder.remove(identity)
        return source
    return None


def is_local(host: str) -> bool:
    """Tell whether a registry is on this machine: only there is plain HTTP accepted.

    >>> is_local("127.0.0.1:5000"), is_local("registry.example")
    (True, False)
    """
    return host.rsplit(":", 1)[0] in ("localhost", "127.0.0.1", "[::1]")


def compile_static(workshop: Workshop, artefact: str, source: Path, target: Path) -> None:
    """Compile one C file to a static executable."""
    compiler = require_tool("gcc", "gcc libc6-dev")
    command = [compiler, "-static", "-Os", "-s", "-Wall", "-Wextra", "-o", str(target), str(source)]
    workshop.run(artefact, command, remedy="apt-get install gcc libc6-dev")


def require_root(artefact: str) -> None:
    """Raise PortolanError where this user may not build images."""
    if os.geteuid() != 0:
        raise PortolanError(artefact, "only root can build images on this machine", "run as root")
