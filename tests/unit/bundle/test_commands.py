"""The command line prints one document on standard output, and one clear error where something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portolan.bundle.build import build_bundle
from portolan.bundle.workshop import Workshop
from tests.unit.bundle.test_build import artefact


def portolan(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PORTOLAN_CACHE": str(cache), "PORTOLAN_NO_OFFICIAL": "1"}
    command = [sys.executable, "-c", "from portolan.cli import run; run()", "bundle", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def cache(workshop: Workshop) -> Path:
    graph = {"helm": artefact("helm", lambda: "helm"), "kubectl": artefact("kubectl", lambda: "kubectl")}
    build_bundle(graph, (), workshop, lambda process: None, lambda *heard: None)
    return workshop.cache


def test_list_prints_every_entry(cache: Path) -> None:
    document = json.loads(portolan(cache, "list", "-o", "json").stdout)
    assert [entry["name"] for entry in document["entries"]] == ["helm", "kubectl"]


def test_path_prints_where_an_entry_lies(cache: Path) -> None:
    assert Path(portolan(cache, "path", "helm").stdout.strip()).read_text() == "helm"


def test_verify_finds_a_changed_file_and_the_next_build_can_mend_it(cache: Path) -> None:
    assert portolan(cache, "verify").returncode == 0
    path = cache / "bundle" / "bin" / "helm"
    path.chmod(0o644)
    path.write_text("hulk")  # the object itself: the bundle's files are hard links
    answer = portolan(cache, "verify", "-o", "json")
    assert answer.returncode == 1
    assert [one["file"] for one in json.loads(answer.stdout)["damaged"]] == ["bin/helm"]
    assert not any(path.read_text() == "hulk" for path in (cache / "objects").rglob("*") if path.is_file())


def test_without_a_bundle_the_remedy_is_to_build_one(tmp_path: Path) -> None:
    answer = portolan(tmp_path, "list")
    assert answer.returncode == 2
    assert "portolan bundle build" in answer.stderr
    assert answer.stdout == ""


def test_an_unknown_entry_is_refused(cache: Path) -> None:
    answer = portolan(cache, "path", "hammer")
    assert answer.returncode == 2
    assert "hammer" in answer.stderr


def test_a_dry_run_on_an_empty_cache_names_what_would_be_made_and_makes_nothing(tmp_path: Path) -> None:
    answer = portolan(tmp_path, "build", "--dry-run", "--only", "kubelet", "-o", "json")
    assert json.loads(answer.stdout) == {"artefacts": [{"name": "binaries/kubernetes", "state": "to make"}]}
    assert list(tmp_path.iterdir()) == []
