"""Where the program finds charts, manifests and image references: the bundle, as its lock says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from portolan import paths
from portolan.bundle.lock import load_lock
from portolan.bundle.push import require_registry, target
from portolan.bundle.view import Bundle


@dataclass(frozen=True)
class Sources:
    """A view of the bundle that speaks in the program's words."""

    bundle: Bundle
    registry: str = ""  # where `portolan bundle push` put the images; empty: their official names

    @staticmethod
    def open(registry: str = "") -> Sources:
        """Open the bundle in the cache.

        Raises PortolanError where there is none.
        """
        return Sources(Bundle.open(paths.cache()), require_registry(registry) if registry else "")

    def image(self, name: str) -> str:
        """Return the full reference of an image, for example of `risk-scoring`."""
        reference = self.bundle.reference(name)
        return target(self.registry, reference) if self.registry else reference

    def chart(self, name: str) -> Path:
        """Return the directory of an upstream chart."""
        return self.bundle.chart(name)

    def manifests(self, name: str) -> Path:
        """Return the directory of upstream manifests."""
        return self.bundle.manifests(name)

    def kubernetes_version(self) -> str:
        """Return the version of Kubernetes that charts are rendered for."""
        return load_lock().kubernetes_version
