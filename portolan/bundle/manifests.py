"""Manifests and charts that lie in Go modules: read from the module cache, rendered, never kept in the repository."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from portolan.bundle.golang import module_directory
from portolan.bundle.lock import Chart, Folder, ManifestSet
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError


def copy_chart(workshop: Workshop, artefact: str, chart: Chart, target: Path) -> None:
    """Copy a chart out of its module."""
    with workshop.turn("download", artefact, "reading the module"):
        source = module_directory(workshop, artefact, workshop.lock.module(chart.module)) / chart.path
        if not (source / "Chart.yaml").is_file():
            raise PortolanError(str(source), "is no Helm chart", f"correct chart {chart.name} in versions.yaml")
        _copy_writable(source, target)


def copy_folder(workshop: Workshop, artefact: str, folder: Folder, target: Path) -> None:
    """Copy what is kept of a module's folder."""
    with workshop.turn("download", artefact, "reading the module"):
        source = module_directory(workshop, artefact, workshop.lock.module(folder.module))
        copy_kept(source / folder.path, folder, target)


def copy_kept(source: Path, folder: Folder, target: Path) -> None:
    """Copy what is kept of `source`. Raises PortolanError where something of it is not there."""
    for name in folder.keep:
        kept = source / name
        if not kept.exists():
            raise PortolanError(str(kept), "is missing", f"correct folder {folder.name} in versions.yaml")
        for path in sorted(kept.rglob("*")) if kept.is_dir() else [kept]:
            if path.is_file():
                copy = target / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


def render(workshop: Workshop, artefact: str, manifests: ManifestSet, tools: Path, target: Path) -> None:
    """Render each part of a manifest set into `target`; `tools` has `helm` and `kubectl`."""
    target.mkdir(parents=True, exist_ok=True)
    with workshop.turn("download", artefact, "rendering manifests"), workshop.store.workplace() as place:
        source = module_directory(workshop, artefact, workshop.lock.module(manifests.module))
        environment = {"HELM_CACHE_HOME": str(place), "HELM_CONFIG_HOME": str(place), "HELM_DATA_HOME": str(place)}
        remedy = f"correct manifests {manifests.name} in versions.yaml"
        for part in manifests.parts:
            if part.helm is not None:
                chart = Path(part.helm).name
                command = [str(tools / "helm"), "template", chart, str(source / part.helm)]
                command += ["--namespace", part.namespace, "--include-crds"]
            else:
                overlay = place / part.file
                overlay.mkdir()
                base = os.path.relpath(source / str(part.kustomize), overlay)
                lines = f"namespace: {part.namespace}\nresources:\n- {base}\n"
                (overlay / "kustomization.yaml").write_text(lines, encoding="utf-8")
                command = [str(tools / "kubectl"), "kustomize", str(overlay)]
            text = workshop.run(artefact, command, remedy=remedy, environment=environment)
            (target / part.file).write_text(without_kinds(text, part.without_kinds), encoding="utf-8")


_KIND = re.compile(r"^kind: *[\"']?([A-Za-z]+)", re.MULTILINE)


def without_kinds(text: str, kinds: tuple[str, ...]) -> str:
    """Drop the documents of some kinds from a YAML stream, and empty ones; the others stay as they are.

    Rendered documents have `kind` at the beginning of a line, so megabytes of schemas need not be parsed for it.

    >>> without_kinds("kind: A\\n---\\nkind: B\\n", ("A",))
    'kind: B\\n'
    """
    kept = []
    for document in re.split(r"^---.*\n", text, flags=re.MULTILINE):
        found = _KIND.search(document)
        if found is not None and found[1] not in kinds:
            kept.append(document.strip("\n"))
    return "\n---\n".join(kept) + "\n"


def _copy_writable(source: Path, target: Path) -> None:
    """Copy a folder; the module cache is read-only, copies are not."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
