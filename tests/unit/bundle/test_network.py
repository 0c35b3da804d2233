"""One downloading code for mirror and official host: resumed, checked, quick to give up on a host that is absent."""

from __future__ import annotations

import hashlib
import io
import os
import random
import socket
import tarfile
import time
from pathlib import Path

import pytest

from portolan.bundle import releases
from portolan.bundle.lock import Binary, Release
from portolan.bundle.network import Network, NotAvailableError, Sources, checksum_of
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError
from tests.support.release_server import ReleaseServer

CONTENT = random.Random(0).randbytes(300_000)  # the same in every process that collects these tests
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path / "downloads", wait_seconds=0.01)


def test_a_file_is_downloaded_and_checked(release_server: ReleaseServer, network: Network) -> None:
    release_server.files["/file"] = CONTENT
    assert network.download(f"{release_server.address}/file", SHA256).read_bytes() == CONTENT


def test_a_cut_connection_is_resumed_where_it_broke(release_server: ReleaseServer, network: Network) -> None:
    release_server.files["/file"] = CONTENT
    release_server.cut_after_bytes["/file"] = [100_000, 50_000]
    assert network.download(f"{release_server.address}/file", SHA256).read_bytes() == CONTENT
    ranges = release_server.downloads_of("/file")
    assert ranges[0] is None
    assert len(ranges) == 3
    assert all(wanted and int(wanted.removeprefix("bytes=").rstrip("-")) > 0 for wanted in ranges[1:])


def test_a_later_run_resumes_what_an_earlier_one_left(release_server: ReleaseServer, tmp_path: Path) -> None:
    release_server.files["/file"] = CONTENT
    release_server.cut_after_bytes["/file"] = [120_000]
    with pytest.raises(NotAvailableError):
        Network(tmp_path, attempts=1).download(f"{release_server.address}/file", SHA256)
    assert Network(tmp_path).download(f"{release_server.address}/file", SHA256).read_bytes() == CONTENT
    assert release_server.downloads_of("/file")[1] is not None


def test_a_wrong_content_is_refused_and_not_kept(
    release_server: ReleaseServer, network: Network, tmp_path: Path
) -> None:
    release_server.files["/file"] = CONTENT[:-1] + b"\0"
    with pytest.raises(PortolanError, match="not what its publisher says"):
        network.download(f"{release_server.address}/file", SHA256)
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_missing_file_is_not_asked_for_twice(release_server: ReleaseServer, network: Network) -> None:
    with pytest.raises(NotAvailableError, match="404"):
        network.download(f"{release_server.address}/file", SHA256)
    assert len(release_server.downloads_of("/file")) == 1


def test_a_host_that_refuses_is_probed_once(network: Network) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    begin = time.monotonic()
    for name in ("one", "two", "three"):
        with pytest.raises(NotAvailableError, match="cannot be reached"):
            network.download(f"http://127.0.0.1:{port}/{name}", SHA256)
    assert time.monotonic() - begin < 2


def test_a_host_that_never_answers_costs_one_short_wait(network: Network) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        assert not any(network.reachable(f"{address}/{name}") for name in ("one", "two", "three"))
        assert time.monotonic() - begin < 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SHA256, SHA256),
        (SHA256.upper() + "\n", SHA256),
        (f"{SHA256}  helm.tar.gz\n", SHA256),
        (f"{'0' * 64}  other.tar.gz\n{SHA256} *helm.tar.gz\n", SHA256),
        (f"{'0' * 64}  other.tar.gz\n{'1' * 64}  another.tar.gz\n", None),
        (f"{'0' * 64}  other-helm.tar.gz\n", None),
        ("<html>not found</html>", None),
        ("", None),
    ],
)
def test_a_publishers_checksum_file_is_read(text: str, expected: str | None) -> None:
    assert checksum_of(text, "helm.tar.gz") == expected


TOOL = Binary(
    name="tool",
    version="v1.2.0",
    release=Release(
        url="https://releases.example/{version}/tool-{number}.tar.gz",
        checksum_url="https://releases.example/{version}/SHA256SUMS",
        member="tool-{number}/tool",
    ),
    required=False,
)


def archive(program: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        member = tarfile.TarInfo("tool-1.2.0/tool")
        member.size = len(program)
        made.addfile(member, io.BytesIO(program))
    return buffer.getvalue()


def publish(server: ReleaseServer, program: bytes, checksum: str | None = None) -> None:
    content = archive(program)
    digest = checksum or hashlib.sha256(content).hexdigest()
    server.files["/releases.example/v1.2.0/tool-1.2.0.tar.gz"] = content
    server.files["/releases.example/v1.2.0/SHA256SUMS"] = f"{digest}  tool-1.2.0.tar.gz\n".encode()


def test_a_binary_comes_from_a_mirror_laid_out_like_the_official_host(
    release_server: ReleaseServer, workshop: Workshop, tmp_path: Path
) -> None:
    publish(release_server, b"#!/bin/sh\necho tool\n")
    workshop.sources = Sources(mirror=release_server.address, official=False)
    assert releases.obtain(workshop, "binaries/tool", TOOL, tmp_path / "tool") == "mirror"
    assert (tmp_path / "tool").read_bytes() == b"#!/bin/sh\necho tool\n"
    assert os.access(tmp_path / "tool", os.X_OK)


def test_a_binary_comes_from_the_official_host_by_the_same_code(
    release_server: ReleaseServer, workshop: Workshop, tmp_path: Path
) -> None:
    publish(release_server, b"program")
    assert TOOL.release is not None
    here = {
        name: value.replace("https://releases.example", f"{release_server.address}/releases.example")
        for name, value in {"url": TOOL.release.url, "checksum_url": str(TOOL.release.checksum_url)}.items()
    }
    tool = TOOL.model_copy(update={"release": TOOL.release.model_copy(update=here)})
    workshop.sources = Sources(official=True)
    assert releases.obtain(workshop, "binaries/tool", tool, tmp_path / "tool") == "official"


def test_a_wrong_checksum_ends_the_build_instead_of_trying_elsewhere(
    release_server: ReleaseServer, workshop: Workshop, tmp_path: Path
) -> None:
    publish(release_server, b"program", checksum="0" * 64)
    workshop.sources = Sources(mirror=release_server.address, official=True)
    with pytest.raises(PortolanError, match="PORTOLAN_MIRROR"):
        releases.obtain(workshop, "binaries/tool", TOOL, tmp_path / "tool")
    assert not (tmp_path / "tool").exists()


def test_a_file_without_any_checksum_is_never_taken(
    release_server: ReleaseServer, workshop: Workshop, tmp_path: Path
) -> None:
    publish(release_server, b"program")
    del release_server.files["/releases.example/v1.2.0/SHA256SUMS"]
    workshop.sources = Sources(mirror=release_server.address, official=False)
    assert releases.obtain(workshop, "binaries/tool", TOOL, tmp_path / "tool") is None
    assert release_server.downloads_of("/releases.example/v1.2.0/tool-1.2.0.tar.gz") == []


def test_the_locks_own_digest_needs_no_checksum_file(
    release_server: ReleaseServer, workshop: Workshop, tmp_path: Path
) -> None:
    publish(release_server, b"program")
    content = release_server.files["/releases.example/v1.2.0/tool-1.2.0.tar.gz"]
    del release_server.files["/releases.example/v1.2.0/SHA256SUMS"]
    assert TOOL.release is not None
    release = TOOL.release.model_copy(update={"sha256": hashlib.sha256(content).hexdigest(), "checksum_url": None})
    workshop.sources = Sources(mirror=release_server.address, official=False)
    tool = TOOL.model_copy(update={"release": release})
    assert releases.obtain(workshop, "binaries/tool", tool, tmp_path / "tool") == "mirror"


def test_an_archive_without_the_program_names_the_lock(
    release_server: ReleaseServer, workshop: Workshop, tmp_path: Path
) -> None:
    publish(release_server, b"program")
    assert TOOL.release is not None
    tool = TOOL.model_copy(update={"release": TOOL.release.model_copy(update={"member": "elsewhere/tool"})})
    workshop.sources = Sources(mirror=release_server.address, official=False)
    with pytest.raises(PortolanError, match=r"versions\.yaml"):
        releases.obtain(workshop, "binaries/tool", tool, tmp_path / "tool")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORTOLAN_MIRROR", "mirror.example/files"), ("PORTOLAN_REGISTRY_MIRROR", "https://registry.example")],
)
def test_a_mirror_setting_that_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(PortolanError) as refused:
        Sources.from_environment()
    assert refused.value.where == name
