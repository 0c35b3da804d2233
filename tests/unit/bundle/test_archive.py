"""The air-gap archive is taken whole or refused before anything changes."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from portolan.bundle.archive import HEADER, damage, export_bundle, import_bundle
from portolan.bundle.build import build_bundle
from portolan.bundle.index import read_index
from portolan.bundle.view import Bundle
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError
from tests.unit.bundle.test_build import artefact

GRAPH = {
    one.name: one for one in (artefact("tool", lambda: "tool " * 50_000), artefact("image", lambda: "image", ("tool",)))
}


@pytest.fixture
def exported(workshop: Workshop, tmp_path: Path) -> Path:
    build_bundle(GRAPH, (), workshop, lambda process: None, lambda *heard: None)
    target = tmp_path / "bundle.tar.zst"
    assert export_bundle(workshop.cache, target) == target.stat().st_size
    return target


def everything_below(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_an_imported_bundle_is_the_exported_one(exported: Path, workshop: Workshop, tmp_path: Path) -> None:
    index = import_bundle(tmp_path / "elsewhere", exported)
    assert index == read_index(workshop.cache / "bundle")
    assert everything_below(tmp_path / "elsewhere" / "bundle") == everything_below(workshop.cache / "bundle")
    assert Bundle.open(tmp_path / "elsewhere").binary("tool").is_file()


def test_after_an_import_a_build_has_nothing_to_make(exported: Path, workshop: Workshop, tmp_path: Path) -> None:
    import_bundle(tmp_path / "elsewhere", exported)
    there = Workshop(tmp_path / "elsewhere", workshop.lock, workshop.sources, workshop.say)
    summary, _ = build_bundle(GRAPH, (), there, lambda process: None, lambda *heard: None)
    assert summary.made == ()


def test_the_same_bundle_gives_the_same_archive(exported: Path, workshop: Workshop, tmp_path: Path) -> None:
    export_bundle(workshop.cache, tmp_path / "again.tar.zst")
    assert (tmp_path / "again.tar.zst").read_bytes() == exported.read_bytes()


@pytest.mark.parametrize("at", [0.02, 0.5, 0.95], ids=["in the beginning", "in the middle", "at the end"])
def test_a_flipped_bit_is_refused_and_nothing_changes(exported: Path, tmp_path: Path, at: float) -> None:
    import_bundle(tmp_path / "elsewhere", exported)
    before = everything_below(tmp_path / "elsewhere" / "bundle")
    content = bytearray(exported.read_bytes())
    content[int(len(content) * at)] ^= 0x10
    exported.write_bytes(content)
    with pytest.raises(PortolanError, match="the archive is damaged"):
        import_bundle(tmp_path / "elsewhere", exported)
    assert everything_below(tmp_path / "elsewhere" / "bundle") == before


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_a_cut_archive_is_refused(exported: Path, tmp_path: Path, keep: float) -> None:
    content = exported.read_bytes()
    exported.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(PortolanError, match="the archive is damaged"):
        import_bundle(tmp_path / "elsewhere", exported)
    assert not (tmp_path / "elsewhere" / "bundle").exists()


def rewritten(archive: Path, change: dict[str, tuple[str, bytes]]) -> Path:
    """Pack the archive again with members renamed or changed, so that only Portolan's own checks can notice."""
    plain = subprocess.run(["zstd", "-qdc", str(archive)], stdout=subprocess.PIPE, check=True).stdout
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(plain)) as old, tarfile.open(fileobj=buffer, mode="w") as new:
        for member in old:
            stream = old.extractfile(member)
            content = stream.read() if stream else b""
            member.name, content = change.get(member.name, (member.name, content))
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    packed = subprocess.run(["zstd", "-qc"], input=buffer.getvalue(), stdout=subprocess.PIPE, check=True).stdout
    target = archive.with_name("rewritten.tar.zst")
    target.write_bytes(packed)
    return target


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bin/tool": ("bin/tool", b"another program")}, "bin/tool has another content"),
        ({"bin/tool": ("../../outside", b"x")}, "is not in its index"),
        ({"bin/tool": ("/etc/portolan-test", b"x")}, "is not in its index"),
        ({HEADER: ("readme", b"x")}, "does not begin with a bundle's index"),
        ({HEADER: (HEADER, b"{}")}, "damaged"),
    ],
    ids=["changed content", "path upwards", "absolute path", "no index", "empty index"],
)
def test_a_well_packed_but_wrong_archive_is_refused(
    exported: Path, tmp_path: Path, change: dict[str, tuple[str, bytes]], reason: str
) -> None:
    with pytest.raises(PortolanError, match=reason):
        import_bundle(tmp_path / "elsewhere", rewritten(exported, change))
    assert not (tmp_path / "elsewhere" / "bundle").exists()


def test_an_index_cannot_name_a_place_outside(exported: Path, tmp_path: Path) -> None:
    plain = subprocess.run(["zstd", "-qdc", str(exported)], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        stream = archive.extractfile(HEADER)
        assert stream is not None
        header = json.loads(stream.read())
        tool = archive.extractfile("bin/tool")
        assert tool is not None
        program = tool.read()
    header["index"]["files"]["../../outside"] = header["index"]["files"].pop("bin/tool")
    change = {HEADER: (HEADER, json.dumps(header).encode()), "bin/tool": ("../../outside", program)}
    with pytest.raises(PortolanError, match="the archive is damaged"):
        import_bundle(tmp_path / "a" / "b" / "c", rewritten(exported, change))
    assert not list(tmp_path.rglob("outside"))


def test_a_damaged_bundle_is_not_exported(exported: Path, workshop: Workshop, tmp_path: Path) -> None:
    path = workshop.cache / "bundle" / "bin" / "image"
    path.unlink()
    path.write_text("something else")
    assert damage(workshop.cache / "bundle", read_index(workshop.cache / "bundle")) == {
        "bin/image": "has another content than the index says"
    }
    with pytest.raises(PortolanError, match="another content"):
        export_bundle(workshop.cache, tmp_path / "second.tar.zst")
    assert not (tmp_path / "second.tar.zst").exists()


def test_a_missing_archive_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match="there is no such file"):
        import_bundle(tmp_path / "cache", tmp_path / "absent.tar.zst")
