"""Official tools are used where they are; else the bundle's CLI and the embedded plugins."""

from __future__ import annotations

import pytest

from portolan import paths
from portolan.errors import PortolanError
from portolan.platform import toolchain


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PORTOLAN_CACHE", str(tmp_path / "cache"))
    return tmp_path


def executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_official_cli_and_plugins_are_used_where_they_are(empty_cache):
    tools = empty_cache / "official"
    cli = executable(tools / "pulumi")
    executable(tools / "pulumi-language-python")
    home = empty_cache / "home"
    executable(home / "plugins" / "resource-kubernetes-v4.34.2" / "pulumi-resource-kubernetes")
    found = toolchain.find(str(tools), str(home))
    assert found.cli == cli
    assert found.official_plugins
    assert toolchain.EMBEDDED not in found.path


def test_without_the_official_provider_the_embedded_plugins_serve_and_say_so(empty_cache):
    executable(empty_cache / "tools" / "pulumi")
    found = toolchain.find(str(empty_cache / "tools"), str(empty_cache / "home"))
    assert not found.official_plugins
    assert toolchain.EMBEDDED in found.path
    assert "embedded" in found.describe()


def test_embedded_plugins_on_path_are_not_taken_for_official_ones(empty_cache):
    executable(empty_cache / "tools" / "pulumi")
    path = f"{toolchain.EMBEDDED}:{empty_cache / 'tools'}"
    assert not toolchain.find(path, str(empty_cache / "home")).official_plugins


def test_without_any_cli_the_remedy_is_named(empty_cache):
    with pytest.raises(PortolanError, match="portolan bundle build"):
        toolchain.find(str(empty_cache / "nothing"), None)


def test_the_embedded_plugins_are_there():
    for name in (toolchain.LANGUAGE_HOST, toolchain.PROVIDER):
        assert (paths.REPOSITORY / "portolan" / "embedded" / "bin" / name).is_file()
