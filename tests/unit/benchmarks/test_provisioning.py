"""How the provisioning benchmark orders objects, tells readiness, and keeps figures."""

from __future__ import annotations

import json

import pytest

from benchmarks import figures
from benchmarks.provisioning import hosts, platform, scale
from portolan import paths
from portolan.sites.loader import load_site

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"hush"'}
STACK = {
    "deployment": {
        "resources": [
            {"type": "pulumi:pulumi:Stack"},
            {
                "type": "kubernetes:core/v1:Secret",
                "inputs": {
                    "kind": "Secret",
                    "apiVersion": "v1",
                    "metadata": {"name": "s", "namespace": "n"},
                    "stringData": {"password": SECRET},
                },
            },
            {"type": "kubernetes:ray.io/v1:RayJob", "inputs": {"kind": "RayJob", "apiVersion": "ray.io/v1"}},
            {"type": "kubernetes:helm.sh/v3:Release", "inputs": {"chart": "x"}},
            {"type": "random:index:Password", "inputs": {"kind": "x"}},
            {
                "type": "kubernetes:serving.kserve.io/v1beta1:InferenceService",
                "inputs": {"kind": "InferenceService", "apiVersion": "serving.kserve.io/v1beta1"},
            },
            {"type": "kubernetes:core/v1:Namespace", "inputs": {"kind": "Namespace", "apiVersion": "v1"}},
        ]
    }
}


def test_objects_of_a_stack_are_its_kubernetes_resources_with_secrets_in_the_clear():
    found = platform.objects_of(STACK)
    assert [one["kind"] for one in found] == ["Secret", "RayJob", "InferenceService", "Namespace"]
    assert found[0]["stringData"] == {"password": "hush"}


def test_waves_put_namespaces_first_and_training_before_serving():
    kinds = [[one["kind"] for one in wave] for wave in platform.waves(platform.objects_of(STACK))]
    assert kinds == [["Namespace"], ["Secret"], ["RayJob"], ["InferenceService"]]


@pytest.mark.parametrize(
    ("kind", "live", "expected"),
    [
        ("Deployment", {"status": {"availableReplicas": 1, "observedGeneration": 2}}, True),
        ("Deployment", {"status": {"availableReplicas": 1, "observedGeneration": 1}}, False),
        ("Deployment", {"status": {"observedGeneration": 2}}, False),
        ("StatefulSet", {"status": {}}, False),
        ("StatefulSet", {"status": {"readyReplicas": 1}}, True),
        ("Job", {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}, True),
        ("Job", {"status": {}}, False),
        ("RayJob", {"status": {"jobStatus": "RUNNING"}}, False),
        ("RayJob", {"status": {"jobStatus": "SUCCEEDED"}}, True),
        ("InferenceService", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, False),
        ("CustomResourceDefinition", {"status": {"conditions": [{"type": "Established", "status": "True"}]}}, True),
        ("ConfigMap", {}, True),
    ],
)
def test_an_object_is_ready_when_its_status_says_so(kind, live, expected):
    whole = {"metadata": {"generation": 2}, "spec": {"replicas": 1}, **live}
    assert platform.ready({"kind": kind}, whole) is expected


def test_a_ratio_beyond_its_limit_is_missed():
    (prepared, bare, again) = hosts.figures_of(first=90.0, prepared=[50.0], bare=[20.0], again=9.0)
    assert prepared.ratio == 2.5
    assert figures.good(prepared) is False
    assert figures.good(bare) is None
    assert again.ratio == 0.45
    (prepared, *_) = hosts.figures_of(first=90.0, prepared=[39.0], bare=[20.0], again=9.0)
    assert figures.good(prepared) is True


def test_the_median_is_a_value_that_was_measured():
    assert figures.median([3.0, 1.0, 2.0]) == 2.0
    assert figures.median([4.0, 1.0]) == 1.0


def test_figures_that_were_not_measured_again_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    one, other = (figures.figure(name, 1.0, "seconds", "x") for name in ("one", "other"))
    figures.write("provisioning", [one, other])
    path = figures.write("provisioning", [one.model_copy(update={"value": 2.0})])
    assert path == tmp_path / "build" / "benchmarks" / "provisioning.json"
    kept = {entry["name"]: entry["value"] for entry in json.loads(path.read_text())}
    assert kept == {"one": 2.0, "other": 1.0}
    assert set(json.loads(path.read_text())[0]) == {
        *("name", "value", "unit", "statistic", "target", "peer", "peer_value", "ratio", "limit", "host", "time"),
        "command",
    }


@pytest.mark.parametrize("number", scale.SIZES)
def test_a_size_has_one_control_plane_and_the_rest_workers(monkeypatch, tmp_path, number):
    monkeypatch.setattr("portolan.paths.build", lambda: tmp_path)
    site = load_site(scale.site_of(number))
    roles = [node.role.value for node in site.hosts.nodes]
    assert roles == ["control-plane"] + ["worker"] * (number - 1)
    assert site.name == f"benchmark-{number}"  # its state is not that of another size
