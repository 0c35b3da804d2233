"""Charts and manifests: Helm's own releases, and the SDK's components that render them, by the real engine."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Stack, World

PROGRAM = """
from pulumi_kubernetes.helm.v3 import Chart, LocalChartOpts, Release
from pulumi_kubernetes.yaml import ConfigFile, ConfigGroup

quay = os.environ["QUAY"]
config = pulumi.Config()
release = Release(
    "lamp", chart="./lamp", namespace=quay, value_yaml_files=[pulumi.FileAsset("values.yaml")],
    values={"colour": config.get("colour") or "red", "word": pulumi.Output.secret("open sesame")},
)
chart = Chart("tower", LocalChartOpts(path="./lamp", namespace=quay, values={"colour": "white"}))
group = ConfigGroup("group", yaml=[
    f"apiVersion: v1\\nkind: ConfigMap\\nmetadata: {{name: dated, namespace: {quay}}}\\ndata: {{day: 2020-01-01}}\\n"
])
file = ConfigFile("file", file="manifest.yaml")
pulumi.export("status", release.status)
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: lamp\nversion: 1.2.3\nappVersion: '4.5'\n",
    "values.yaml": "colour: none\nheight: 1\nword: ''\n",
    "templates/lamp.yaml": """\
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: {{ .Release.Name }}-lamp
        data:
          colour: {{ .Values.colour | quote }}
          height: {{ .Values.height | quote }}
          api: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
        """,
}


def _write(folder: Path) -> None:
    for name, text in CHART.items():
        file = folder / "lamp" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    (folder / "values.yaml").write_text("colour: green\nheight: 7\n")


@pytest.fixture
def stack(make_stack: Callable[[], Stack], namespace: str) -> Stack:
    made = make_stack()
    made.environment["QUAY"] = namespace
    made.program(PROGRAM)
    _write(made.folder)
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: filed\n  namespace: {namespace}\ndata:\n  a: b\n"
    (made.folder / "manifest.yaml").write_text(manifest)
    return made


def test_releases_charts_and_manifests_are_installed_upgraded_and_removed(
    stack: Stack, world: World, namespace: str
) -> None:
    stack.up()
    release = stack.resource("lamp")["outputs"]
    name = release["name"]
    assert release["status"] == {
        "name": name, "namespace": namespace, "revision": 1, "status": "deployed", "chart": "lamp",
        "version": "1.2.3", "appVersion": "4.5",
    }  # fmt: skip
    assert release["resourceNames"] == {"ConfigMap/v1": [f"{name}-lamp"]}
    lit = world.get("v1", "ConfigMap", namespace, f"{name}-lamp")["data"]
    assert lit == {"colour": "red", "height": "7", "api": "true"}
    assert world.get("v1", "ConfigMap", namespace, "tower-lamp")["data"]["colour"] == "white"
    assert world.get("v1", "ConfigMap", namespace, "dated")["data"] == {"day": "2020-01-01"}
    assert world.get("v1", "ConfigMap", namespace, "filed")["data"] == {"a": "b"}
    for file in (stack.folder / "backend").rglob("*.json*"):
        assert b"open sesame" not in file.read_bytes(), file

    preview = stack.run("preview", "--expect-no-changes", "--diff")
    assert preview.code == 0, preview.text

    stack.up("-c", "colour=blue")
    assert world.get("v1", "ConfigMap", namespace, f"{name}-lamp")["data"]["colour"] == "blue"
    assert stack.resource("lamp")["outputs"]["status"]["revision"] == 2

    gone = stack.run("destroy", "--yes", "--skip-preview")
    assert gone.code == 0, gone.text
    assert world.names("v1", "ConfigMap", namespace) == {"kube-root-ca.crt"}


def test_components_of_the_official_provider_are_refused_with_what_serves_instead(stack: Stack) -> None:
    stack.program('k8s.helm.v4.Chart("tower", chart="./lamp")')
    failed = stack.run("preview")
    assert failed.code != 0
    assert "use pulumi_kubernetes.yaml, pulumi_kubernetes.helm.v3" in failed.text


def test_a_chart_that_is_not_there_is_named(stack: Stack) -> None:
    stack.program('k8s.helm.v3.Release("lost", chart="./lost", namespace="default")')
    failed = stack.run("preview")
    assert failed.code != 0
    assert "lost" in failed.text
    assert "check the chart's name and its repository" in failed.text
