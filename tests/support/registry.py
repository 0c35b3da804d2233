"""A real image registry on this machine: an open one, and one that asks for a password."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def serving(folder: Path, more: str = "") -> Iterator[str]:
    """Yield the address of a registry that keeps its images in `folder`; `more` are lines of its settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = folder / "registry.yml"
    settings.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: '{address}'}}\n{more}"
    )
    process = subprocess.Popen(["docker-registry", "serve", str(settings)], stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(address.split(":")[1]))) == 0:
                break
        time.sleep(0.05)
    try:
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real, empty image registry on this machine."""
    with serving(tmp_path) as address:
        yield address


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A real registry that lets in nobody whose password it does not know."""
    users = tmp_path / "htpasswd"
    users.write_text("", encoding="ascii")
    with serving(tmp_path, f"auth: {{htpasswd: {{realm: customs, path: '{users}'}}}}\n") as address:
        yield address
