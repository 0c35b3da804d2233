"""The lock says everything once, and refuses to be inconsistent."""

from __future__ import annotations

from pathlib import Path

import pytest

from portolan.bundle.lock import load_lock, parse_lock
from portolan.errors import PortolanError

BAD = sorted((Path(__file__).parent / "bad-locks").glob("*.yaml"))


def test_every_required_binary_can_be_made_without_its_publisher() -> None:
    lock = load_lock()
    assert all(binary.module or binary.wheel for binary in lock.binaries if binary.required)


def test_every_module_has_its_own_go_lock_for_the_version_in_the_lock() -> None:
    for module in load_lock().modules:
        assert f"{module.path} {module.version}" in (module.directory / "go.mod").read_text()
        assert (module.directory / "go.sum").stat().st_size > 0


def test_kubernetes_has_one_version_everywhere() -> None:
    lock = load_lock()
    kubernetes = [binary.version for binary in lock.binaries if binary.module and binary.module.name == "kubernetes"]
    images = [image.version for image in lock.images if image.name.startswith("kube-")]
    assert {*kubernetes, *images} == {lock.kubernetes_version}


def test_the_previous_release_is_one_minor_older_and_of_no_ordinary_bundle() -> None:
    lock = load_lock()
    old = {binary.version for binary in lock.binaries if binary.name.startswith("previous-")}
    # The sandbox image has a number of its own: the one that the previous release's kubeadm asks for.
    old |= {image.version for image in lock.images if image.part == "previous" and image.recipe != "pause"}
    (version,) = old
    assert minor(version) == minor(lock.kubernetes_version) - 1
    assert lock.module("previous-kubernetes").part == "previous"


def test_a_benchmark_and_its_checks_are_one_version_and_of_no_ordinary_bundle() -> None:
    lock = load_lock()
    (checks,) = lock.folders
    assert checks.module == lock.binary("kube-bench").module.name  # type: ignore[union-attr]
    assert lock.module(checks.module).version == lock.binary("kube-bench").version
    assert checks.part == lock.module(checks.module).part == "benchmarks"


def minor(version: str) -> int:
    return int(version.split(".")[1])


def test_a_field_that_says_nothing_is_in_no_key() -> None:
    """So that a new field of the lock does not make every artefact anew."""
    lock = load_lock()
    for entry in (lock.module("kubernetes"), lock.binary("kubelet"), lock.image("etcd")):
        assert not {"part", "program"} & set(entry.model_dump(mode="json"))


def test_every_image_has_a_dockerfile() -> None:
    recipes = Path(__file__).parents[3] / "portolan" / "bundle" / "images"
    for image in load_lock().images:
        assert (recipes / image.recipe / "Dockerfile").is_file()


def test_official_addresses_are_encrypted() -> None:
    for binary in load_lock().binaries:
        if binary.release is not None:
            assert binary.filled(binary.release.url).startswith("https://")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_lock_is_refused_with_the_reason_in_its_name(path: Path) -> None:
    with pytest.raises(PortolanError) as refused:
        parse_lock(path)
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert expected in str(refused.value)
    assert str(path) in refused.value.where


def test_there_are_bad_locks_to_refuse() -> None:
    assert len(BAD) >= 6
