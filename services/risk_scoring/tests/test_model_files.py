"""Only a whole, unchanged model is served."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from model_server.errors import ServiceError
from model_server.sealed import digest, model_digest, read_sealed
from model_server.storage import Folder
from risk_scoring.model_files import write_model
from risk_service import command, environment

NAMES = ("model.txt", "features.json", "card.json", "card.en.md", "card.fr.md")


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may spoil."""
    return Path(shutil.copytree(model, tmp_path / "model"))


def _start(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, 1), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["model.txt", "features.json", "card.json"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(ServiceError, match=f"{name}: it is not the file that MANIFEST.json seals"):
        read_sealed(Folder(copy))


def test_a_changed_digest_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "MANIFEST.json").read_text())
    manifest["model_digest"] = "0" * 64
    (copy / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(ServiceError, match="model_digest does not follow"):
        read_sealed(Folder(copy))


def test_the_server_does_not_start_with_a_changed_model(copy: Path) -> None:
    with (copy / "model.txt").open("a") as file:
        file.write(" ")
    ended = _start(copy)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "model.txt: it is not the file that MANIFEST.json seals" in ended.stderr


def test_the_server_does_not_start_without_a_manifest(copy: Path) -> None:
    (copy / "MANIFEST.json").unlink()
    ended = _start(copy)
    assert ended.returncode == 2
    assert "MANIFEST.json: No such file or directory" in ended.stderr


def test_the_digest_is_that_of_the_files_that_decide_a_score(model: Path) -> None:
    manifest = json.loads((model / "MANIFEST.json").read_text())
    sums = {name: digest((model / name).read_bytes()) for name in NAMES}
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == sums
    text = f"features.json {sums['features.json']}\nmodel.txt {sums['model.txt']}\n"
    assert (
        manifest["model_digest"]
        == model_digest({n: sums[n] for n in ("model.txt", "features.json")})
        == digest(text.encode())
    )
    assert json.loads((model / "card.json").read_text())["model_digest"] == manifest["model_digest"]


def test_a_reader_never_finds_a_manifest_of_other_files(tmp_path: Path) -> None:
    class Stopping(Folder):
        """A folder whose process is killed before it writes the last file."""

        def write(self, name: str, content: bytes) -> None:
            if name == "card.json":
                raise KeyboardInterrupt
            super().write(name, content)

    write_model(Folder(tmp_path), "old", {}, {})
    with pytest.raises(KeyboardInterrupt):
        write_model(Stopping(tmp_path), "new", {}, {})
    with pytest.raises(ServiceError, match=r"MANIFEST\.json"):
        read_sealed(Folder(tmp_path))
    write_model(Folder(tmp_path), "new", {}, {})
    assert read_sealed(Folder(tmp_path)).files["model.txt"] == b"new"
