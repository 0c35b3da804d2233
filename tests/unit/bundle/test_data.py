"""Declarations come from a folder, their published address, or a generator, and the bundle knows which."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from portolan.bundle.artefacts import Job
from portolan.bundle.lock import Data, load_lock
from portolan.bundle.network import Sources
from portolan.bundle.recipes import ORIGIN, data_set
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError
from tests.support.release_server import ReleaseServer

CUSTOMS = load_lock().dataset("customs")


def made(data: Data, workshop: Workshop, directory: Path) -> tuple[str, dict[str, bytes]]:
    """Make the data set and return where it came from and its files."""
    data_set(data, workshop).make(Job(workshop, "data/customs", "key", directory, {}))
    files = {path.name: path.read_bytes() for path in (directory / "data").iterdir()}
    return (directory / ORIGIN).read_text(), files


@pytest.fixture(autouse=True)
def _no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTOLAN_DATA", raising=False)


def test_a_folder_is_taken_as_it_is(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in CUSTOMS.files:
        (tmp_path / file.local).write_text(file.local)
    monkeypatch.setenv("PORTOLAN_DATA", str(tmp_path))
    origin, files = made(CUSTOMS, workshop, tmp_path / "out")
    assert origin == "local"
    assert files == {"train.csv": b"declarations-train.csv", "valid.csv": b"declarations-valid.csv"}


def test_a_folder_without_the_files_is_refused(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTOLAN_DATA", str(tmp_path))
    with pytest.raises(PortolanError, match=r"declarations-train\.csv"):
        data_set(CUSTOMS, workshop).inputs()


def published(server: ReleaseServer) -> Data:
    """The data set as it would be if its publisher's files were these two."""
    files = []
    for file in CUSTOMS.files:
        content = f"{file.name} as published".encode()
        server.files[file.url.removeprefix("https:/")] = content
        files.append(file.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()}))
    return CUSTOMS.model_copy(update={"files": tuple(files)})


def test_the_published_files_are_fetched_and_checked(
    workshop: Workshop, release_server: ReleaseServer, tmp_path: Path
) -> None:
    data = published(release_server)
    workshop.sources = Sources(mirror=release_server.address, official=False)
    origin, files = made(data, workshop, tmp_path)
    assert origin == "published"
    assert files["train.csv"] == b"train.csv as published"


def test_published_files_that_are_gone_are_not_silently_replaced_by_invented_ones(
    workshop: Workshop, release_server: ReleaseServer, tmp_path: Path
) -> None:
    workshop.sources = Sources(mirror=release_server.address, official=False)
    with pytest.raises(PortolanError, match="PORTOLAN_DATA"):
        made(CUSTOMS, workshop, tmp_path)


def test_where_nothing_can_be_reached_declarations_are_generated_and_said_to_be(
    workshop: Workshop, tmp_path: Path
) -> None:
    origin, files = made(CUSTOMS, workshop, tmp_path)
    assert origin == "generated"
    assert sorted(files) == ["train.csv", "valid.csv"]
    assert files["train.csv"].count(b"\n") > 1000


def test_generated_and_published_declarations_have_different_keys(
    workshop: Workshop, release_server: ReleaseServer
) -> None:
    generated = data_set(CUSTOMS, workshop).inputs()
    workshop.sources = Sources(mirror=release_server.address, official=False)
    assert data_set(CUSTOMS, workshop).inputs() != generated
