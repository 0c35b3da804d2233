"""A folder out of a Go module is what the lock keeps of it, and its owner may write to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from portolan.bundle.lock import Folder
from portolan.bundle.manifests import copy_kept
from portolan.errors import PortolanError


def folder(*keep: str) -> Folder:
    return Folder(name="checks", module="tool", path="cfg", keep=keep)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module's folder, read-only as those of the module cache are."""
    for name in ("config.yaml", "new/node.yaml", "new/deep/one.yaml", "old/node.yaml"):
        path = tmp_path / "cfg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o444)
    return tmp_path / "cfg"


def test_what_is_kept_is_copied_and_nothing_else(module: Path, tmp_path: Path) -> None:
    copy_kept(module, folder("config.yaml", "new"), tmp_path / "copy")
    copied = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert copied == {"config.yaml", "new/node.yaml", "new/deep/one.yaml"}
    assert all((tmp_path / "copy" / name).stat().st_mode & 0o200 for name in copied)


def test_what_the_module_has_no_more_is_told(module: Path, tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match="newest: is missing"):
        copy_kept(module, folder("newest"), tmp_path / "copy")
