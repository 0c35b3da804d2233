"""What a site gets that names use cases, beside risk scoring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from portolan.errors import PortolanError
from portolan.platform.sources import Sources
from portolan.requirements import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.devices import AcceleratedHost, DevicePlan
from portolan.sizing.engine import size
from portolan.sizing.parts import AcceleratorPlan
from portolan.sizing.plan import Plan
from portolan.sizing.reasons import constant, decide
from stacks.platform import accelerated

INFERENCE = "kubernetes:serving.kserve.io/v1beta1:InferenceService"
JOB = "kubernetes:batch/v1:Job"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
IMAGE = "registry.portolan.internal/customs-models:0123456789ab"
MODELS = ("hs-classification", "valuation", "xray-inspection")


@dataclass(frozen=True)
class SourcesWithModels(Sources):
    """The bundle as it is once the optional image is in it."""

    def image(self, name: str) -> str:
        return IMAGE if name == "customs-models" else super().image(name)


@pytest.fixture(scope="module")
def models_plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("site") / "sandbox.yaml"
    sandbox = Path(__file__).resolve().parents[2] / "sites" / "sandbox.yaml"
    path.write_text(sandbox.read_text() + f"use_cases: [{', '.join(MODELS)}, declaration-router]\n")
    return size(load_site(path), load_requirements())


@pytest.fixture(scope="module")
def with_models(settings, bundle, models_plan, program_of):
    chosen = replace(settings, plan=models_plan, sources=SourcesWithModels(bundle))
    return program_of(chosen)


def test_a_site_that_names_none_gets_none(registered):
    assert not [one for one in registered.of(INFERENCE) if one.inputs["metadata"]["name"] in MODELS]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_serves_what_its_training_writes(with_models, models_plan, name):
    predictor = with_models.one(INFERENCE, name)["spec"]["predictor"]
    served = next(one["value"] for one in predictor["containers"][0]["env"] if one["name"] == "STORAGE_URI")
    assert served.startswith(f"s3://models/{name}/")
    training = with_models.one(JOB, f"{name}-training")["spec"]["template"]["spec"]["containers"][0]
    assert training["args"][:2] == ["--output", f"{served}/"]
    assert training["image"] == predictor["containers"][0]["image"] == IMAGE
    service = models_plan.service(name)
    assert predictor["minReplicas"] == int(service.replicas)
    cores, rest = divmod(int(service.cpu_millicores), 1000)
    wanted = f"{int(service.cpu_millicores)}m" if rest else str(cores)
    assert predictor["containers"][0]["resources"]["requests"]["cpu"] == wanted


def test_only_valuation_learns_from_the_declarations(with_models):
    arguments = {
        name: with_models.one(JOB, f"{name}-training")["spec"]["template"]["spec"]["containers"][0]["args"]
        for name in MODELS
    }
    assert arguments["valuation"][2:] == ["--data", "s3://declarations/"]
    assert len(arguments["hs-classification"]) == len(arguments["xray-inspection"]) == 2


def gpus(plan: Plan, racked: bool, count: int = 2) -> Plan:
    """The plan of a site that has GPUs for X-ray inspection: in racks, or in a cloud's nodes."""
    none, some = (decide("accelerators", constant("a", number, "of this test")) for number in (0, count))
    counted = AcceleratorPlan(model="h100", xray=some, language_model=none, training=none, total=some)
    devices = DevicePlan(hosts=(AcceleratedHost(name="worker-2", model="h100", count=8),)) if racked else None
    return plan.model_copy(update={"accelerators": counted, "devices": devices})


@pytest.mark.parametrize(("racked", "runtime"), [(True, "nvidia"), (False, None)])
def test_inspection_gets_the_gpus_that_the_plan_counts_for_it(
    settings, bundle, models_plan, program_of, racked, runtime
):
    chosen = replace(settings, plan=gpus(models_plan, racked), sources=SourcesWithModels(bundle))
    found = program_of(replace(chosen, accelerated=("xray-inspection",)))
    predictor = found.one(INFERENCE, "xray-inspection")["spec"]["predictor"]
    assert predictor["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert (predictor["minReplicas"], predictor.get("runtimeClassName")) == (2, runtime)
    other = found.one(INFERENCE, "valuation")["spec"]["predictor"]
    assert "runtimeClassName" not in other
    assert "nvidia.com/gpu" not in other["containers"][0]["resources"]["limits"]


def test_an_image_that_uses_none_takes_no_gpu_from_others(settings, bundle, models_plan, program_of):
    found = program_of(replace(settings, plan=gpus(models_plan, racked=True), sources=SourcesWithModels(bundle)))
    limits = found.one(INFERENCE, "xray-inspection")["spec"]["predictor"]["containers"][0]["resources"]["limits"]
    assert "nvidia.com/gpu" not in limits


def test_gpus_that_the_plan_does_not_count_are_not_promised(models_plan):
    for plan in (models_plan, gpus(models_plan, racked=True, count=0)):
        with pytest.raises(PortolanError, match="counts no GPU for xray-inspection"):
            accelerated.share(plan, "xray-inspection", ("xray-inspection",))


@pytest.mark.parametrize("chosen", ["xray-inspection", ["valuation"], [{}]])
def test_a_setting_that_names_what_uses_no_gpu_is_refused(chosen):
    with pytest.raises(PortolanError, match="portolan:accelerated"):
        accelerated.checked(chosen)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_ships_its_log_to_a_place_of_its_own(with_models, name):
    container = with_models.one(INFERENCE, name)["spec"]["predictor"]["containers"][0]
    told = {one["name"]: one.get("value", "") for one in container["env"]}
    assert told["MODEL_SERVER_AUDIT_STORE"] == f"s3://decisions/{name}"
    assert told["MODEL_SERVER_AUDIT_DIR"] in {one["mountPath"] for one in container["volumeMounts"]}


@pytest.mark.parametrize("name", MODELS)
def test_the_engine_awaits_each_service(with_models, name):
    annotations = with_models.one(INFERENCE, name)["metadata"]["annotations"]
    assert annotations["pulumi.com/waitFor"] == "condition=Ready"


def test_the_router_asks_every_model_of_a_declaration(with_models):
    router = with_models.one(DEPLOYMENT, "declaration-router")["spec"]["template"]["spec"]["containers"][0]
    asked = dict(zip(router["args"][::2], router["args"][1::2], strict=True))
    assert asked.pop("--port") == "8080"
    assert asked == {
        "--risk": "https://risk-scoring-predictor.risk-scoring:80/risk-scoring",
        "--classification": "https://hs-classification-predictor.risk-scoring:80/hs-classification",
        "--valuation": "https://valuation-predictor.risk-scoring:80/valuation",
    }


def test_the_quota_holds_the_models_too(with_models, models_plan):
    quota = next(
        one.inputs["spec"]["hard"]
        for one in with_models.of("kubernetes:core/v1:ResourceQuota")
        if one.inputs["metadata"]["namespace"] == "risk-scoring"
    )
    elsewhere = ("object-store", "kserve-controller", "kuberay-operator")
    needed = sum(
        int(one.replicas) * int(one.memory_mebibytes) for one in models_plan.services if one.name not in elsewhere
    )
    assert int(quota["requests.memory"].removesuffix("Mi")) > needed


def test_pods_of_the_models_keep_their_root_file_system_as_it_is(with_models):
    for name in MODELS:
        for container in (
            with_models.one(INFERENCE, name)["spec"]["predictor"]["containers"][0],
            with_models.one(JOB, f"{name}-training")["spec"]["template"]["spec"]["containers"][0],
        ):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["runAsNonRoot"] is True
