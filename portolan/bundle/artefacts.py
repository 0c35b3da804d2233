"""An artefact: what it is made from (its key), and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portolan.bundle.index import Kind, Source, digest_of
from portolan.bundle.store import Product
from portolan.bundle.workshop import Workshop


@dataclass(frozen=True)
class EntrySeed:
    """What is known of a bundle entry once its files are made."""

    name: str
    kind: Kind
    version: str
    path: str
    source: Source
    reference: str | None = None
    nodes: tuple[str, ...] = ()
    simulated_data: bool = False


@dataclass(frozen=True)
class Job:
    """One making: where to put the files, under which key, and the products of what it needs."""

    workshop: Workshop
    artefact: str
    key: str
    directory: Path
    needs: Mapping[str, Product]

    def place_need(self, name: str, directory: Path) -> None:
        """Put the files of a needed product below `directory`."""
        self.workshop.store.place_all(self.needs[name].files, directory)

    def needed_file(self, name: str, path: str) -> Path:
        """Return the stored file `path` of a needed product."""
        return self.workshop.store.object_path(self.needs[name].files[path].sha256)


@dataclass(frozen=True)
class Artefact:
    """A node of the build: `inputs` says in plain data what it is made from besides its needs."""

    name: str
    inputs: Callable[[], Any]
    make: Callable[[Job], list[EntrySeed]]
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()  # names of the bundle entries, for `--only`
    part: str | None = None  # of an optional part: made only where it, or what needs it, is asked for

    def key(self, needs: Mapping[str, Product]) -> str:
        """Return the digest of all that this artefact is made from.

        Needs count by their content: what is made again and comes out the same changes nothing after it.
        """
        return digest_of(
            {
                "artefact": self.name,
                "inputs": self.inputs(),
                "needs": {name: needs[name].digest for name in self.needs},
            }
        )
