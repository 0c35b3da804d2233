"""What a site gets that names the language assistant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.platform.sources import Sources
from portolan.requirements import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.engine import size
from stacks.platform import decision_log
from stacks.platform.language_assistant import LanguageAssistantArgs, LanguageAssistantParameters, chart_values

IMAGE = "registry.portolan.internal/customs-models:0123456789ab"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SECRET = "kubernetes:core/v1:Secret"
CHOSEN = {
    "texts": {"claim": "texts"},
    "upstream": {"url": "http://language-model-predictor.language-models/openai/v1", "model": "qwen", "tools": True},
    "effects": {"url": "https://customs.example.org/acts"},
    "state_claim": "assistant-state",
    "officers": ["officers"],
}


@dataclass(frozen=True)
class SourcesWithModels(Sources):
    """The bundle as it is once the optional image is in it."""

    def image(self, name: str) -> str:
        return IMAGE if name == "customs-models" else super().image(name)


@pytest.fixture(scope="module")
def assistant_plan(tmp_path_factory):
    path = tmp_path_factory.mktemp("site") / "sandbox.yaml"
    sandbox = Path(__file__).resolve().parents[2] / "sites" / "sandbox.yaml"
    path.write_text(sandbox.read_text() + "use_cases: [language-assistant]\n")
    return size(load_site(path), load_requirements())


@pytest.fixture(scope="module")
def with_assistant(settings, bundle, assistant_plan, program_of):
    return program_of(
        replace(
            settings,
            plan=assistant_plan,
            sources=SourcesWithModels(bundle),
            language_assistant=LanguageAssistantParameters.model_validate(CHOSEN),
        )
    )


def environment(registered):
    pod = registered.one(DEPLOYMENT, "language-assistant")["spec"]["template"]["spec"]
    return {one["name"]: one.get("value", "") for one in pod["containers"][0]["env"]}


def test_a_site_that_does_not_name_it_gets_none(registered):
    assert not [one for one in registered.of(DEPLOYMENT) if one.inputs["metadata"]["name"] == "language-assistant"]


def test_it_speaks_tls_asks_for_tokens_and_keeps_a_log(with_assistant):
    told = environment(with_assistant)
    assert told["MODEL_SERVER_TLS_DIR"] == "/etc/endpoint"
    assert told["MODEL_SERVER_AUDIENCE"] == "language-assistant"
    assert told["MODEL_SERVER_AUDIT_KEY_FILE"] == "/etc/audit/key"
    assert with_assistant.one(SECRET, "customs-models-endpoint")["type"] == "kubernetes.io/tls"
    assert told["MODEL_SERVER_AUDIT_STORE"] == "s3://decisions/language-assistant"
    assert with_assistant.one(SECRET, "decision-log")["data"]


def test_what_a_person_decides_reaches_it(with_assistant):
    told = environment(with_assistant)
    assert told["ASSISTANT_UPSTREAM_URL"] == CHOSEN["upstream"]["url"]
    assert (told["ASSISTANT_UPSTREAM_MODEL"], told["ASSISTANT_UPSTREAM_TOOLS"]) == ("qwen", "true")
    assert told["ASSISTANT_EFFECTS_URL"] == "https://customs.example.org/acts"
    volumes = with_assistant.one(DEPLOYMENT, "language-assistant")["spec"]["template"]["spec"]["volumes"]
    claims = {
        one["name"]: one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one
    }
    assert claims == {"texts": "texts", "state": "assistant-state"}


def test_its_certificate_has_its_name(secrets):
    assert "language-assistant.risk-scoring.svc" in secrets.required("models").names


def test_its_size_is_the_plans(with_assistant, assistant_plan):
    deployment = with_assistant.one(DEPLOYMENT, "language-assistant")["spec"]
    service = assistant_plan.service("language-assistant")
    assert deployment["replicas"] == int(service.replicas) == 1
    requests = deployment["template"]["spec"]["containers"][0]["resources"]["requests"]
    assert requests["memory"] == f"{int(service.memory_mebibytes)}Mi"


def test_several_replicas_need_a_place_that_they_share():
    args = LanguageAssistantArgs(
        provider=None,
        kubernetes_version="1.36.3",
        chart=Path("chart"),
        namespace="risk-scoring",
        image=IMAGE,
        parameters=LanguageAssistantParameters(),
        endpoint_secret="customs-models-endpoint",
        endpoint_digest="0123456789ab",
        log=decision_log.values("language-assistant", "http://store", "here"),
        replicas=2,
        cpu_millicores=100,
        memory_mebibytes=384,
    )
    with pytest.raises(PortolanError, match="state_claim"):
        chart_values(args)
