"""How other rooms look into a finished bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from portolan.bundle.index import Entry, Index, Kind, read_index
from portolan.errors import PortolanError


class Bundle:
    """A finished bundle.

    >>> Bundle.open(paths.cache()).binary("kubelet")  # doctest: +SKIP
    PosixPath('/home/u/.cache/portolan/bundle/bin/kubelet')
    """

    def __init__(self, directory: Path, index: Index) -> None:
        self.directory = directory
        self.index = index

    @classmethod
    def open(cls, cache: Path) -> Self:
        """Open the bundle of a cache directory.

        Raises PortolanError where there is none.
        """
        return cls(cache / "bundle", read_index(cache / "bundle"))

    def _entry(self, kind: Kind, name: str) -> Entry:
        try:
            return self.index.entry(kind, name)
        except KeyError:
            raise PortolanError(
                str(self.directory), f"the bundle has no {kind} {name!r}", "run: portolan bundle build"
            ) from None

    def binary(self, name: str) -> Path:
        """Return the path of an executable."""
        return self.directory / self._entry("binary", name).path

    def has_binary(self, name: str) -> bool:
        """Tell whether an optional executable was obtained."""
        return any(entry.kind == "binary" and entry.name == name for entry in self.index.entries)

    def image(self, name: str) -> Entry:
        """Return an image's entry; `.path` is its archive, `.reference` the name it carries."""
        return self._entry("image", name)

    def images(self, node: str | None = None) -> tuple[Entry, ...]:
        """Return the images, or those that a host role (`control-plane`, `worker`) needs."""
        return tuple(
            entry for entry in self.index.entries if entry.kind == "image" and (node is None or node in entry.nodes)
        )

    def reference(self, name: str) -> str:
        """Return the full reference of an image, for example of `risk-scoring`."""
        return self.image(name).reference or ""

    def manifests(self, name: str) -> Path:
        """Return the folder with the manifests of a component."""
        return self.directory / self._entry("manifests", name).path

    def chart(self, name: str) -> Path:
        """Return the folder of a Helm chart."""
        return self.directory / self._entry("chart", name).path

    def root(self, name: str) -> Path:
        """Return the archive of a Debian root file system."""
        return self.directory / self._entry("root", name).path

    def debian(self) -> Path:
        """Return the folder that is the hosts' apt repository."""
        return self.directory / self._entry("debian", "debian").path
