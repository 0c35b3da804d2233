"""What the bundle's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from portolan.bundle.lock import load_lock
from portolan.bundle.network import Network, Sources
from portolan.bundle.workshop import Workshop
from tests.support.release_server import ReleaseServer, serving


@pytest.fixture
def release_server() -> Iterator[ReleaseServer]:
    """A server laid out like the official hosts."""
    with serving() as server:
        yield server


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A workshop over an empty cache that asks nobody."""
    made = Workshop(tmp_path / "cache", load_lock(), Sources(official=False), lambda artefact, phase: None)
    made.network = Network(tmp_path / "cache" / "downloads", wait_seconds=0.01)
    return made
