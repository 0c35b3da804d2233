"""The charts for people who work without Pulumi: they lint, they render, and they refuse what cannot work."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from portolan import paths
from portolan.bundle.lock import load_lock
from portolan.bundle.view import Bundle

HERE = Path(__file__).parent
CHARTS = paths.REPOSITORY / "charts"
NAMES = (
    "customs-model",
    "declaration-router",
    "language-assistant",
    "language-model",
    "node-recheck",
    "risk-scoring",
    "risk-training",
)
GOOD = HERE / "good"
BAD = sorted((HERE / "bad").glob("*/*.yaml"))


def helm(*arguments):
    command = [str(Bundle.open(paths.cache()).binary("helm")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def template(chart, values, *arguments):
    return helm(
        *("template", chart, CHARTS / chart, "--namespace", "risk-scoring", "--values", values),
        *("--kube-version", load_lock().kubernetes_version, *arguments),
    )


def documents(chart, *arguments):
    done = template(chart, GOOD / f"{chart}.yaml", *arguments)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@pytest.mark.parametrize("chart", NAMES)
def test_a_chart_passes_helm_lint(chart):
    done = helm(
        *("lint", "--strict", CHARTS / chart, "--values", GOOD / f"{chart}.yaml"),
        *("--kube-version", load_lock().kubernetes_version),
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("chart", NAMES)
def test_the_schema_knows_every_default_value_and_describes_no_other(chart):
    values = yaml.safe_load((CHARTS / chart / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text(encoding="utf-8"))
    assert set(values) == set(schema["properties"]) - {"global"}


@pytest.mark.parametrize("chart", NAMES)
def test_a_chart_needs_an_image(chart):
    done = helm("template", chart, CHARTS / chart, "--kube-version", load_lock().kubernetes_version)
    assert done.returncode != 0
    assert "image" in done.stderr


@pytest.mark.parametrize("values", BAD, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_values_that_cannot_work_are_refused(values, tmp_path):
    chart = values.parent.name
    good = yaml.safe_load((GOOD / f"{chart}.yaml").read_text(encoding="utf-8"))
    bad = yaml.safe_load(values.read_text(encoding="utf-8"))
    expected = bad.pop("expected-in-error")
    merged = tmp_path / "values.yaml"
    merged.write_text(yaml.safe_dump(merge(good, bad)), encoding="utf-8")
    done = template(chart, merged)
    assert done.returncode != 0
    assert expected in done.stderr, done.stderr


@pytest.mark.parametrize("chart", NAMES)
def test_helm_test_has_something_to_run(chart):
    tests = [
        one for one in documents(chart) if (one["metadata"].get("annotations") or {}).get("helm.sh/hook") == "test"
    ]
    assert [one["kind"] for one in tests] == ["Pod"]
    source = tests[0]["spec"]["containers"][0]["args"][0]
    compile(source, chart, "exec")
    assert "assert" in source


def test_the_service_without_a_node_port_stays_inside():
    kinds = [one["kind"] for one in documents("risk-scoring", "--set", "nodePort=null", "--skip-tests")]
    assert "Service" not in kinds
    assert "InferenceService" in kinds


LOGGED = ("customs-model", "language-assistant", "risk-scoring")


def server(chart, *arguments):
    """Return the pod that serves, as the chart's good values and these make it."""
    found = documents(chart, "--skip-tests", *arguments)
    one = next(one for one in found if one["kind"] in ("InferenceService", "Deployment"))
    return one["spec"]["predictor"] if one["kind"] == "InferenceService" else one["spec"]["template"]["spec"]


def variables(pod):
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in pod["containers"][0]["env"]}


@pytest.mark.parametrize("chart", LOGGED)
def test_a_log_without_a_store_is_kept_in_its_pod_alone(chart):
    told = variables(server(chart, "--set", "auditSecret=audit"))
    assert told["MODEL_SERVER_AUDIT_KEY_FILE"] == "/etc/audit/key"
    assert not [name for name in told if name.startswith("AWS_") or name == "MODEL_SERVER_AUDIT_STORE"]


@pytest.mark.parametrize("chart", LOGGED)
def test_a_log_is_shipped_by_the_key_of_its_bucket(chart):
    store = ["uri=s3://decisions/here", "url=http://store:8333", "credentialsSecret=writer"]
    pod = server(chart, "--set", ",".join(["auditSecret=audit", *(f"decisionsStore.{one}" for one in store)]))
    told = variables(pod)
    assert told["MODEL_SERVER_AUDIT_STORE"] == "s3://decisions/here"
    assert (told["AWS_ENDPOINT_URL"], told["AWS_REGION"]) == ("http://store:8333", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert told[name] == {"secretKeyRef": {"name": "writer", "key": name}}
    folder = told["MODEL_SERVER_AUDIT_DIR"]
    volume = next(one["name"] for one in pod["containers"][0]["volumeMounts"] if one["mountPath"] == folder)
    assert volume in {one["name"] for one in pod["volumes"]}


@pytest.mark.parametrize("chart", LOGGED)
def test_the_pod_sees_no_more_of_the_logs_secret_than_its_key(chart):
    pod = server(chart, "--set", "auditSecret=audit")
    secret = next(one["secret"] for one in pod["volumes"] if one["name"] == "audit-key")
    assert secret == {"secretName": "audit", "items": [{"key": "key", "path": "key"}]}


def test_the_assistant_may_reach_the_store_that_it_ships_to():
    store = "auditSecret=audit,decisionsStore.uri=s3://decisions/here,decisionsStore.credentialsSecret=writer"
    alone = "upstream.url=,effects.url=,effects.authoritySecret=,effects.audience="
    for values, reached in ((alone, False), (f"{alone},{store}", True)):
        found = documents("language-assistant", "--skip-tests", "--set", values)
        egress = next(one for one in found if one["kind"] == "NetworkPolicy")["spec"]["egress"]
        assert ({"to": [{"namespaceSelector": {}}]} in egress) is reached


def test_a_model_without_accelerators_names_no_runtime_class_and_has_no_gap_when_it_changes():
    pod = server("customs-model")
    assert "runtimeClassName" not in pod
    assert pod["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_model_on_a_gpu_names_its_runtime_class_and_needs_none_to_spare():
    pod = server("customs-model", "--set", r"accelerators.nvidia\.com/gpu=1,runtimeClass=nvidia")
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_one_training_worker_asks_for_one_node():
    job = documents("risk-training", "--set", "workers.replicas=1", "--skip-tests")[0]
    assert job["spec"]["entrypoint"].endswith("--nodes 1")
    group = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    assert "minDomains" not in group["template"]["spec"]["topologySpreadConstraints"][0]


def test_notes_tell_how_to_go_on():
    for chart in NAMES:
        assert "helm test" in (CHARTS / chart / "templates" / "NOTES.txt").read_text(encoding="utf-8")


def merge(base, changes):
    """Return `base` with `changes` laid over it, mapping by mapping."""
    merged = dict(base)
    for key, value in changes.items():
        merged[key] = merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return merged
