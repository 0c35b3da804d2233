"""The language assistant's pods are hardened, officers are no programs, and the GPU case is what KServe takes.

No GPU and no weights are here: that a rendered language model is what KServe's definitions take is all that is shown.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from portolan import paths
from portolan.bundle.lock import load_lock
from portolan.bundle.view import Bundle
from tests.support.kserve_definitions import check

HERE = Path(__file__).parent
CHARTS = paths.REPOSITORY / "charts"


def rendered(chart, *settings, values=None):
    command = [
        *(str(Bundle.open(paths.cache()).binary("helm")), "template", chart, str(CHARTS / chart)),
        *("--namespace", "risk-scoring", "--values", str(values or HERE / "good" / f"{chart}.yaml")),
        *("--kube-version", load_lock().kubernetes_version, "--skip-tests"),
        *(part for one in settings for part in ("--set", one)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def only(documents, kind):
    found = [one for one in documents if one["kind"] == kind]
    assert len(found) == 1, [one["kind"] for one in documents]
    return found[0]


def environment(container):
    return {one["name"]: one["value"] for one in container["env"]}


def test_a_pod_of_the_assistant_keeps_its_root_file_system_and_is_not_root():
    pod = only(rendered("language-assistant"), "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "cpu" in container["resources"]["requests"]


def test_the_index_is_made_of_the_administrations_texts_before_anything_is_answered():
    pod = only(rendered("language-assistant"), "Deployment")["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["args"] == [
        *("--texts", "/texts", "--questions", "/texts/questions.json", "--output", "/index/model")
    ]
    texts = next(one for one in pod["volumes"] if one["name"] == "texts")
    assert texts["persistentVolumeClaim"] == {"claimName": "texts", "readOnly": True}


def test_without_texts_of_its_own_the_samples_of_the_image_serve():
    pod = only(rendered("language-assistant", "texts.claim=", "texts.questions="), "Deployment")["spec"]["template"]
    arguments = pod["spec"]["initContainers"][0]["args"]
    assert arguments[:4] == ["--texts", "/opt/data/samples/texts", "--questions", "/opt/data/samples/questions.json"]


def test_without_a_language_model_none_is_asked():
    pod = only(rendered("language-assistant", "upstream.url="), "Deployment")["spec"]["template"]["spec"]
    assert not [name for name in environment(pod["containers"][0]) if "UPSTREAM" in name]


def test_a_plain_assistant_takes_no_proposals_and_scales_as_it_likes(tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("image: registry.example.org/customs-models:1\nreplicas: 3\n")
    documents = rendered("language-assistant", values=values)
    pod = only(documents, "Deployment")["spec"]["template"]["spec"]
    assert not [name for name in environment(pod["containers"][0]) if "STATE" in name or "AUDIT" in name]
    assert not [one for one in documents if "Role" in one["kind"]]


def test_who_may_ask_may_not_confirm():
    documents = rendered("language-assistant")
    roles = {one["metadata"]["name"]: one["rules"][0]["resources"] for one in documents if one["kind"] == "Role"}
    assert roles == {
        "language-assistant-caller": ["inferenceservices/predict"],
        "language-assistant-officer": ["inferenceservices/predict", "inferenceservices/confirm"],
    }
    bindings = {one["metadata"]["name"]: one["subjects"] for one in documents if one["kind"] == "RoleBinding"}
    assert [one["kind"] for one in bindings["language-assistant-officer"]] == ["Group"]


def test_it_scales_between_its_bounds_and_is_drained_one_by_one():
    documents = rendered("language-assistant")
    scaler = only(documents, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
    assert "replicas" not in only(documents, "Deployment")["spec"]
    assert only(documents, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    labels = only(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        only(documents, "Service")["spec"]["selector"],
        only(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_a_language_model_is_an_inference_service_that_kserve_takes():
    documents = rendered("language-model")
    runtime, service = only(documents, "ServingRuntime"), only(documents, "InferenceService")
    check(runtime)
    check(service)
    model = service["spec"]["predictor"]["model"]
    assert (model["runtime"], model["modelFormat"]) == (runtime["metadata"]["name"], {"name": "huggingface"})
    assert model["storageUri"] == "pvc://weights/qwen"
    assert model["resources"]["limits"]["nvidia.com/gpu"] == model["resources"]["requests"]["nvidia.com/gpu"] == "2"
    arguments = runtime["spec"]["containers"][0]["args"]
    assert {"--backend=vllm", "--tensor-parallel-size=2", "--tool-call-parser=hermes"} <= set(arguments)


def test_a_language_model_is_an_llm_inference_service_that_kserve_takes():
    documents = rendered("language-model", "kind=LLMInferenceService")
    service = only(documents, "LLMInferenceService")
    check(service)
    container = service["spec"]["template"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert environment(container)["VLLM_ADDITIONAL_ARGS"].split() == [
        *("--max-model-len=8192", "--tensor-parallel-size=2", "--enable-auto-tool-choice", "--tool-call-parser=hermes")
    ]


def test_the_check_by_kserves_definitions_is_no_empty_one():
    service = only(rendered("language-model"), "InferenceService")
    service["spec"]["predictor"]["model"]["storageUrl"] = service["spec"]["predictor"]["model"].pop("storageUri")
    with pytest.raises(jsonschema.ValidationError, match="storageUrl"):
        check(service)


@pytest.mark.parametrize("kind", ["InferenceService", "LLMInferenceService"])
def test_pods_of_a_language_model_are_not_root_and_fetch_nothing(kind):
    documents = rendered("language-model", f"kind={kind}")
    pods = {
        "InferenceService": lambda: only(documents, "ServingRuntime")["spec"],
        "LLMInferenceService": lambda: only(documents, "LLMInferenceService")["spec"]["template"],
    }
    (container,) = pods[kind]()["containers"]
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert environment(container)["HF_HUB_OFFLINE"] == "1"
    policy = only(documents, "NetworkPolicy")["spec"]
    who = policy["ingress"][0]["from"][0]
    assert who["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "risk-scoring"}
    assert who["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "language-assistant"}


@pytest.mark.parametrize("kind", ["InferenceService", "LLMInferenceService"])
def test_a_language_model_names_the_runtime_class_of_its_gpus_where_there_is_one(kind):
    for settings, expected in ((("runtimeClass=nvidia",), "nvidia"), ((), None)):
        served = only(rendered("language-model", f"kind={kind}", *settings), kind)["spec"]
        pod = served["predictor"] if kind == "InferenceService" else served["template"]
        assert pod.get("runtimeClassName") == expected
