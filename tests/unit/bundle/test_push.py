"""The bundle's images go into a registry of one's own, and pods name them there."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from portolan import paths
from portolan.bundle.push import chosen, explained, push, require_registry, target
from portolan.bundle.view import Bundle
from portolan.errors import PortolanError
from portolan.platform.sources import Sources

pytest_plugins = ["tests.support.registry"]
MANIFEST = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open(paths.cache())


def manifest(registry: str, reference: str) -> dict[str, Any]:
    name, tag = reference.split("/", 1)[1].rsplit(":", 1)
    request = urllib.request.Request(f"http://{registry}/v2/{name}/manifests/{tag}", headers={"Accept": MANIFEST})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {"digest": answer.headers["Docker-Content-Digest"], **json.loads(answer.read())}


def test_what_a_rented_cluster_brings_itself_is_not_pushed(bundle: Bundle) -> None:
    names = {entry.name for entry in chosen(bundle.index.entries, ())}
    assert {"risk-scoring", "risk-training", "kserve-controller", "kuberay-operator", "seaweedfs"} <= names
    assert not names & {"kube-apiserver", "etcd", "previous-kube-apiserver"}


def test_no_two_images_get_the_same_name(bundle: Bundle) -> None:
    there = [target("reg", str(entry.reference)) for entry in chosen(bundle.index.entries, ())]
    assert len(set(there)) == len(there)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can unpack images here")
def test_an_image_lies_in_a_real_registry_under_the_name_that_pods_ask_for(
    bundle: Bundle, registry: str, tmp_path: Path
) -> None:
    prefix = f"{registry}/customs"
    (pushed,) = push(bundle, tmp_path, prefix, ["declarations"], None, print)
    assert pushed.reference == Sources(bundle, prefix).image("declarations")
    assert manifest(registry, pushed.reference)["digest"] == pushed.digest
    (again,) = push(bundle, tmp_path, prefix, ["declarations"], None, print)
    assert again == pushed
    assert not list(tmp_path.glob("push-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can unpack images here")
def test_credentials_that_are_missing_or_no_longer_good_are_told_with_how_to_sign_in(
    bundle: Bundle, guarded: str, tmp_path: Path
) -> None:
    with pytest.raises(PortolanError, match="does not let us in") as missing:
        push(bundle, tmp_path, guarded, ["declarations"], None, print)
    assert "buildah login" in missing.value.remedy
    old = tmp_path / "auth.json"
    old.write_text(json.dumps({"auths": {guarded: {"auth": "b2xkOm9sZA=="}}}), encoding="utf-8")
    with pytest.raises(PortolanError, match="does not let us in"):
        push(bundle, tmp_path, guarded, ["declarations"], old, print)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        manifest(guarded, f"{guarded}/declarations:none")
    assert not list(tmp_path.glob("push-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can unpack images here")
def test_a_registry_that_does_not_answer_is_told(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match="does not answer"):
        push(bundle, tmp_path, "127.0.0.1:9", ["declarations"], None, print)


@pytest.mark.parametrize(
    ("said", "word", "remedy"),
    [
        ("denied: Your authorization token has expired. Reauthenticate and try again.", "have expired", "sign in"),
        ("name unknown: The repository with name 'customs/x' does not exist", "no such repository", "platform up"),
        ("tag invalid: The image tag 'x' already exists and cannot be overwritten, immutable", "another image", "anew"),
        ("something else", "something else", "see why"),
    ],
)
def test_what_registries_answer_gets_a_remedy(said: str, word: str, remedy: str) -> None:
    told = explained(PortolanError("image x", said, "see why"), "reg/x:1", said)
    assert word in told.what
    assert remedy in told.remedy


@pytest.mark.parametrize("address", ["https://reg.example", "Reg.example/x", "reg.example/", "", "reg example"])
def test_what_is_no_registrys_address_is_refused(address: str) -> None:
    with pytest.raises(PortolanError, match="no registry's address"):
        require_registry(address)


def test_an_image_that_the_bundle_lacks_and_a_file_that_is_none_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match="has no image 'moon'"):
        chosen(bundle.index.entries, ["moon"])
    with pytest.raises(PortolanError, match="there is no such file"):
        push(bundle, tmp_path, "reg.example", ["declarations"], tmp_path / "none.json", print)


def test_the_command_ends_with_two_and_one_clear_line() -> None:
    done = subprocess.run(
        ["portolan", "bundle", "push", "https://reg.example"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no registry's address" in done.stderr
