"""Images come from a registry where there is one, else from their Dockerfiles; both carry the official reference."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from portolan.bundle import images
from portolan.bundle.network import Sources
from portolan.bundle.workshop import Workshop
from portolan.errors import PortolanError

pytest_plugins = ["tests.support.registry"]
REFERENCE = "registry.k8s.io/pause:3.10.2"


def built(workshop: Workshop, reference: str) -> images.Builder:
    """Build the pause image from its recipe."""
    builder = images.Builder(workshop, "images/pause")
    context = workshop.cache / "context"
    shutil.copytree(images.RECIPES / "pause", context)
    images.compile_static(workshop, "images/pause", context / "pause.c", context / "pause")
    builder.build(context, reference, {})
    return builder


def manifest(archive: Path) -> dict[str, object]:
    with tarfile.open(archive) as opened:
        stream = opened.extractfile("manifest.json")
        assert stream is not None
        (only,) = json.loads(stream.read())
    return dict(only)


def test_a_built_image_carries_its_official_reference_and_a_numeric_user(workshop: Workshop, tmp_path: Path) -> None:
    built(workshop, REFERENCE).export(REFERENCE, tmp_path / "pause.tar")
    said = manifest(tmp_path / "pause.tar")
    assert said["RepoTags"] == [REFERENCE]
    with tarfile.open(tmp_path / "pause.tar") as opened:
        stream = opened.extractfile(str(said["Config"]))
        assert stream is not None
        configuration = json.loads(stream.read())["config"]
    assert configuration["User"] == "65535:65535"
    assert configuration["Entrypoint"] == ["/pause"]


def test_an_image_is_pulled_from_a_mirror_under_its_official_reference(
    workshop: Workshop, registry: str, tmp_path: Path
) -> None:
    builder = built(workshop, REFERENCE)
    builder.run("push", "--tls-verify=false", REFERENCE, f"docker://{registry}/{REFERENCE}")
    builder.remove(REFERENCE)
    workshop.sources = Sources(registry_mirror=registry, official=False)
    assert images.pull(workshop, "images/pause", REFERENCE, tmp_path / "pulled.tar") == "mirror"
    assert manifest(tmp_path / "pulled.tar")["RepoTags"] == [REFERENCE]
    assert not builder.has(REFERENCE)


def test_a_mirror_without_the_image_leaves_it_to_be_built(workshop: Workshop, registry: str, tmp_path: Path) -> None:
    workshop.sources = Sources(registry_mirror=registry, official=False)
    assert images.pull(workshop, "images/pause", REFERENCE, tmp_path / "pulled.tar") is None
    assert not (tmp_path / "pulled.tar").exists()


def test_a_mirror_that_is_not_there_leaves_it_to_be_built(workshop: Workshop, tmp_path: Path) -> None:
    workshop.sources = Sources(registry_mirror="127.0.0.1:1", official=False)
    assert images.pull(workshop, "images/pause", REFERENCE, tmp_path / "pulled.tar") is None


def test_a_broken_dockerfile_is_one_clear_error(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY absent /\n")
    with pytest.raises(PortolanError, match="absent"):
        images.Builder(workshop, "images/broken").build(tmp_path, "registry.portolan.internal/broken:v1", {})


@pytest.fixture
def pause(workshop: Workshop, tmp_path: Path) -> Path:
    images.compile_static(workshop, "images/pause", images.RECIPES / "pause" / "pause.c", tmp_path / "pause")
    return tmp_path / "pause"


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_pause_ends_at_once_and_well_when_told_to(pause: Path, signal: str) -> None:
    ending = f"{pause} & sleep 0.2; kill -{signal} $!; wait $!"
    begin = time.monotonic()
    # As PID 1 of its own namespace, where signals without a handler would be ignored.
    command = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", ending]
    assert subprocess.run(command, check=False, timeout=10).returncode == 0
    assert time.monotonic() - begin < 2


def test_pause_reaps_orphans(pause: Path) -> None:
    """Pause becomes process 1 of a PID namespace in which a child dies: no zombie may be left."""
    script = f"sh -c '(sleep 0.1 &) ; sleep 0.3' & exec {pause}"
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
    with subprocess.Popen(command) as process:
        time.sleep(1)
        child = subprocess.run(
            ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
        ).stdout.strip()
        states = subprocess.run(
            ["ps", "--ppid", child, "-o", "stat="], capture_output=True, text=True, check=False
        ).stdout
        process.kill()  # unshare itself ignores SIGTERM; its child ends with it
    assert "Z" not in states


def test_the_base_has_another_identity_for_each_content_that_steps_mount(
    workshop: Workshop, pause: Path, tmp_path: Path
) -> None:
    builder = images.Builder(workshop, "images/mounted")
    shutil.copytree(images.RECIPES / "pause", tmp_path / "base")
    shutil.copy(pause, tmp_path / "base" / "pause")
    base = f"{images.BASE_REPOSITORY}:test"
    builder.build(tmp_path / "base", base, {})
    marked = [images.mark_base(workshop, builder, base, digest * 64) for digest in "aba"]
    assert marked[0] == marked[2] != marked[1]
    identities = {
        reference: image["id"]
        for image in json.loads(builder.run("images", "--json", "--no-trunc"))
        for reference in image["names"] or []
    }
    assert identities[marked[0]] != identities[marked[1]]
