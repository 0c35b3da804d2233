"""What the `portolan bundle` commands do and print."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from portolan import paths
from portolan.bundle.build import Summary, build_bundle, look, only_one, select
from portolan.bundle.images import Builder
from portolan.bundle.index import Index
from portolan.bundle.lock import load_lock
from portolan.bundle.network import Sources
from portolan.bundle.recipes import graph
from portolan.bundle.store import Store
from portolan.bundle.view import Bundle
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError
from portolan.output import Format, emit, people, table

MEBIBYTE = 1 << 20


class Voice:
    """Progress for people: one line when something starts, one when it is done."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def line(self, text: str) -> None:
        """Print one line after the seconds since the start."""
        people.print(f"[{time.monotonic() - self._begin:6.1f} s] {text}", soft_wrap=True, markup=False)

    def say(self, artefact: str, phase: str) -> None:
        """Tell that an artefact begins a phase."""
        self.line(f"{artefact}: {phase}")

    def waiting(self, process: str) -> None:
        """Tell that another build holds the lock."""
        self.line(f"another build (process {process}) is at work; waiting for it")

    def heard(self, artefact: str, made: bool, seconds: float, done: int, total: int) -> None:
        """Tell that an artefact is finished, where that took any work."""
        if made:
            self.line(f"{artefact}: done in {seconds:.1f} s ({done}/{total})")


def workshop(
    mirror: str = "", registry_mirror: str = "", official: bool = True, voice: Voice | None = None
) -> Workshop:
    """Return a workshop over PORTOLAN_CACHE with the given sources, else those of the environment."""
    sources = Sources.from_environment()
    sources = sources.model_copy(
        update={
            "mirror": mirror.rstrip("/") or sources.mirror,
            "registry_mirror": registry_mirror.rstrip("/") or sources.registry_mirror,
            "official": sources.official and official,
        }
    )
    return Workshop(paths.cache(), load_lock(), sources, (voice or Voice()).say)


def ensure_bundle(only: Sequence[str] = ()) -> Bundle:
    """Build what is missing and return the bundle; for other rooms."""
    voice = Voice()
    made = workshop(voice=voice)
    build_bundle(graph(made.lock, made), only, made, voice.waiting, voice.heard)
    return Bundle.open(paths.cache())


def print_survey(made: Workshop, only: Sequence[str], output: Format) -> None:
    """Print what a build would do."""
    artefacts = graph(made.lock, made)
    order = select(artefacts, only)
    states, _ = look(artefacts, order, made)
    if output is Format.TABLE:
        table("what a build would do", ("artefact", "state"), [(name, states[name]) for name in order])
    else:
        emit({"artefacts": [{"name": name, "state": states[name]} for name in order]}, output)


def print_build(made: Workshop, only: Sequence[str], output: Format) -> None:
    """Build, and print where the time went."""
    voice = Voice()
    made.say = voice.say
    summary, index = build_bundle(graph(made.lock, made), only, made, voice.waiting, voice.heard)
    if output is not Format.TABLE:
        entries = [entry.model_dump(mode="json") for entry in index.entries]
        emit({"summary": summary.model_dump(mode="json"), "entries": entries}, output)
        return
    print_summary(summary)


def print_summary(summary: Summary) -> None:
    """Print the phases by the time that they took."""
    if summary.phases:
        rows = [(one.artefact, one.phase, f"{one.seconds:.1f}") for one in summary.phases]
        table("where the time went", ("artefact", "phase", "seconds"), rows)
    people.print(
        f"bundle: {summary.entries} entries, {summary.size_bytes / MEBIBYTE:.0f} MiB; "
        f"{len(summary.made)} made, {len(summary.present)} already there; {summary.seconds:.1f} s"
    )


def prune() -> None:
    """Remove objects, records and images that the present bundle is not made from."""
    made = workshop()
    artefacts = graph(made.lock, made)
    with only_one(made.cache, Voice().waiting):
        _, products = look(artefacts, list(artefacts), made)  # optional parts that were made stay
        index = Bundle.open(made.cache).index
        freed = made.store.keep_only({product.key for product in products.values()}, index.files)
        Builder(made, "prune").prune({entry.reference for entry in index.entries if entry.reference})
    people.print(f"{freed / MEBIBYTE:.0f} MiB of files freed")


def path_of(name: str) -> Path:
    """Return the path of an entry: a binary before a chart before anything else of that name.

    Raises PortolanError where the bundle has none.
    """
    bundle = Bundle.open(paths.cache())
    for kind in ("binary", "chart", "image", "folder", "manifests", "root", "debian"):
        for entry in bundle.index.entries:
            if entry.kind == kind and entry.name == name:
                return bundle.directory / entry.path
    raise PortolanError(str(bundle.directory), f"the bundle has no {name!r}", "run: portolan bundle build")


def print_verification(output: Format) -> bool:
    """Hash every file of the bundle; print what is wrong and tell whether all is well."""
    from portolan.bundle.archive import damage

    bundle = Bundle.open(paths.cache())
    index: Index = bundle.index
    damaged = damage(bundle.directory, index)
    Store(paths.cache()).forget([index.files[name].sha256 for name in damaged])
    if output is Format.TABLE:
        for name, what in damaged.items():
            people.print(f"{name}: {what}", soft_wrap=True, markup=False)
        people.print(f"{len(index.files)} files, {len(damaged)} damaged")
        if damaged:
            people.print("  remedy: portolan bundle build (makes them again)")
    else:
        emit(
            {"files": len(index.files), "damaged": [{"file": name, "what": what} for name, what in damaged.items()]},
            output,
        )
    return not damaged
