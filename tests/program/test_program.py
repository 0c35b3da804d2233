"""What the program asks the engine for, capability by capability."""

from __future__ import annotations

import base64
import json

import pytest

from stacks.platform.helm import without_default_namespace

NAMESPACE = "kubernetes:core/v1:Namespace"
SECRET_MARK = "4dabf18193072939515e22adb298388d"  # Pulumi's envelope around a secret value
INFERENCE = "kubernetes:serving.kserve.io/v1beta1:InferenceService"
RAYJOB = "kubernetes:ray.io/v1:RayJob"


def test_each_capability_is_one_component(registered):
    components = {
        one.kind.rsplit(":", 1)[-1] for one in registered.resources if one.kind.startswith("portolan:platform:")
    }
    assert components == {
        "Namespaces",
        "Certificates",
        "Storage",
        "ObjectStore",
        "KServe",
        "KubeRay",
        "ModelRegistry",
        "Declarations",
        "Training",
        "RiskScoring",
        "DecisionLog",
        "MetricsServer",
    }


def test_every_object_has_a_name_of_its_own(registered):
    # Two resources of one type and name would be one and the same to the engine.
    keys = [(one.kind, one.name) for one in registered.resources]
    assert len(keys) == len(set(keys))


def test_names_do_not_depend_on_whether_the_cluster_answers():
    # Asked of no cluster, a renderer gives these a namespace as well.
    for kind in (
        "CustomResourceDefinition",
        "ValidatingWebhookConfiguration",
        "ClusterRole",
        "ClusterStorageContainer",
    ):
        document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "kserve"}}
        assert without_default_namespace(document)["metadata"] == {"name": "x"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "kserve"}}
    assert without_default_namespace(service) == service


def test_no_object_is_left_to_the_default_namespace(registered):
    cluster_wide = {"APIService", "Namespace", "PersistentVolume", "StorageClass", "CustomResourceDefinition"}
    for one in registered.resources:
        kind = one.kind.rsplit(":", 1)[-1]
        if not one.kind.startswith("kubernetes:") or kind in cluster_wide or kind.startswith("Cluster"):
            continue
        if kind.endswith("WebhookConfiguration") or "metadata" not in one.inputs:
            continue
        assert one.inputs["metadata"].get("namespace") not in (None, "default"), f"{one.kind} {one.name}"


@pytest.mark.parametrize("namespace", ["portolan-system", "kserve", "kuberay-system", "risk-scoring"])
def test_each_namespace_is_restricted_and_bounded(registered, namespace):
    labels = registered.one(NAMESPACE, namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for kind in ("ResourceQuota", "LimitRange"):
        found = registered.of(f"kubernetes:core/v1:{kind}")
        assert [one for one in found if one.inputs["metadata"]["namespace"] == namespace], kind


def test_quotas_hold_what_the_plan_asks_for(registered, plan):
    quota = next(
        one.inputs
        for one in registered.of("kubernetes:core/v1:ResourceQuota")
        if one.inputs["metadata"]["namespace"] == "risk-scoring"
    )
    needed = sum(
        int(service.replicas) * int(service.memory_mebibytes)
        for service in plan.services
        if service.name.startswith("risk-")
    )
    assert int(quota["spec"]["hard"]["requests.memory"].removesuffix("Mi")) > needed


def test_volumes_lie_on_workers_only(registered, plan):
    hosts = {
        volume.inputs["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0]
        for volume in registered.of("kubernetes:core/v1:PersistentVolume")
    }
    assert hosts == {host.name for host in plan.hosts if host.role == "worker"}


def test_sizes_come_from_the_plan(registered, plan):
    service = plan.service("risk-scoring")
    predictor = registered.one(INFERENCE, "risk-scoring")["spec"]["predictor"]
    assert predictor["minReplicas"] == int(service.replicas)
    assert predictor["containers"][0]["resources"]["requests"] == {
        "cpu": f"{int(service.cpu_millicores)}m",
        "memory": f"{int(service.memory_mebibytes)}Mi",
    }
    workers = registered.one(RAYJOB, "risk-training")["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    assert workers["replicas"] == int(plan.service("risk-training-worker").replicas)


def test_the_served_model_is_the_trained_one(registered):
    predictor = registered.one(INFERENCE, "risk-scoring")["spec"]["predictor"]
    served = next(one["value"] for one in predictor["containers"][0]["env"] if one["name"] == "STORAGE_URI")
    assert served.startswith("s3://models/risk-scoring/")
    assert f"--output {served}/" in registered.one(RAYJOB, "risk-training")["spec"]["entrypoint"]


def test_training_workers_may_not_share_a_node(registered):
    template = registered.one(RAYJOB, "risk-training")["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]
    spread = template["spec"]["topologySpreadConstraints"][0]
    assert spread["whenUnsatisfiable"] == "DoNotSchedule"
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["minDomains"] == 2
    assert spread["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_the_engine_awaits_training_and_service(registered):
    assert (
        registered.one(RAYJOB, "risk-training")["metadata"]["annotations"]["pulumi.com/waitFor"]
        == "jsonpath={.status.jobStatus}=SUCCEEDED"
    )
    annotations = registered.one(INFERENCE, "risk-scoring")["metadata"]["annotations"]
    assert annotations["pulumi.com/waitFor"] == "condition=Ready"


def test_kserve_runs_in_standard_mode_without_what_it_does_not_need(registered):
    configuration = registered.one("kubernetes:core/v1:ConfigMap", "inferenceservice-config")["data"]
    assert json.loads(configuration["deploy"])["defaultDeploymentMode"] == "Standard"
    ingress = json.loads(configuration["ingress"])
    assert (ingress["disableIngressCreation"], ingress["disableIstioVirtualHost"], ingress["enableGatewayApi"]) == (
        True,
        True,
        False,
    )
    assert not [one for one in registered.resources if "cert-manager" in one.kind]
    containers = registered.one("kubernetes:apps/v1:Deployment", "kserve-controller-manager")["spec"]["template"][
        "spec"
    ]
    assert [one["name"] for one in containers["containers"]] == ["manager"]


def test_the_api_server_trusts_the_authority_that_signed_the_webhooks_certificate(registered, secrets):
    trusted = {
        webhook["clientConfig"]["caBundle"]
        for one in registered.resources
        if one.kind.endswith("WebhookConfiguration")
        for webhook in one.inputs["webhooks"]
    }
    assert trusted == {base64.b64encode(secrets.authority.certificate.encode()).decode()}


def test_definitions_keep_the_operators_own_fields(registered):
    definition = registered.one("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "rayjobs.ray.io")
    version = next(one for one in definition["spec"]["versions"] if one["name"] == "v1")
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert spec["entrypoint"] == {"type": "string"}
    assert spec["submissionMode"]["default"] == "K8sJobMode"
    head = spec["rayClusterSpec"]["properties"]["headGroupSpec"]["properties"]
    assert head["template"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_every_image_is_one_of_the_bundle(registered, bundle):
    known = {entry.reference for entry in bundle.images()}
    found = set(
        _images([one.inputs for one in registered.resources if not one.kind.endswith("CustomResourceDefinition")])
    )
    assert found <= known, found - known
    assert len(found) >= 6


def test_pods_meet_the_restricted_level(registered):
    for pod in _pods([one.inputs for one in registered.resources if not one.kind.endswith("CustomResourceDefinition")]):
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
            assert context.get("allowPrivilegeEscalation") is False, container["name"]
            assert context.get("runAsNonRoot") is True, container["name"]
            assert context.get("capabilities", {}).get("drop") == ["ALL"], container["name"]
            assert context.get("seccompProfile", {}).get("type") == "RuntimeDefault", container["name"]


def test_only_the_training_identity_may_write_models(registered, secrets):
    data = _open(registered.one("kubernetes:core/v1:Secret", "object-store-identities")["data"])
    identities = json.loads(base64.b64decode(data["s3.json"]))["identities"]
    writers = {one["name"] for one in identities if {"Write:models", "Admin"} & set(one["actions"])}
    assert writers == {"administrator", "risk-scoring"}
    risk = next(one for one in identities if one["name"] == "risk-scoring")
    assert "Admin" not in risk["actions"]


def test_the_log_of_decisions_outlives_its_pod(registered):
    predictor = registered.one(INFERENCE, "risk-scoring")["spec"]["predictor"]
    told = {one["name"]: one for one in predictor["containers"][0]["env"]}
    assert told["MODEL_SERVER_AUDIT_STORE"]["value"] == "s3://decisions/risk-scoring"
    assert told["AWS_ENDPOINT_URL"]["value"].startswith("http://object-store.portolan-system.")
    reference = told["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]
    held = _open(registered.one("kubernetes:core/v1:Secret", reference["name"])["data"])
    assert reference["key"] in held
    store = registered.one("kubernetes:apps/v1:StatefulSet", "object-store")["spec"]["template"]["spec"]
    buckets = next(one["value"] for one in store["containers"][0]["env"] if one["name"] == "BUCKETS")
    assert "decisions" in buckets.split()


def test_no_volume_of_the_log_pins_the_pods_to_a_host(registered):
    volumes = registered.one(INFERENCE, "risk-scoring")["spec"]["predictor"]["volumes"]
    assert not [one for one in volumes if "persistentVolumeClaim" in one]


def test_who_writes_the_log_writes_nothing_else_and_who_trains_cannot_change_it(registered):
    data = _open(registered.one("kubernetes:core/v1:Secret", "object-store-identities")["data"])
    identities = json.loads(base64.b64decode(data["s3.json"]))["identities"]
    actions = {one["name"]: one["actions"] for one in identities}
    assert actions["decision-log"] == ["Write:decisions"]
    others = [action for name, held in actions.items() if name != "decision-log" for action in held]
    assert not [action for action in others if action.endswith(":decisions")]


@pytest.mark.parametrize(
    "name", ["object-store-identities", "object-store-credentials", "kserve-webhook-server-cert", "decision-log"]
)
def test_what_is_secret_stays_secret_in_the_state(registered, name):
    secrets = [
        one.inputs for one in registered.of("kubernetes:core/v1:Secret") if one.inputs["metadata"]["name"] == name
    ]
    assert secrets
    for secret in secrets:
        assert SECRET_MARK in secret["data"], f"{name} would be written as plain text"


def test_the_store_answers_only_to_clients(registered):
    policy = registered.one("kubernetes:networking.k8s.io/v1:NetworkPolicy", "object-store")["spec"]
    s3 = next(rule for rule in policy["ingress"] if "namespaceSelector" in rule["from"][0])
    label = s3["from"][0]["namespaceSelector"]["matchLabels"]
    allowed = {
        one.inputs["metadata"]["name"]
        for one in registered.of(NAMESPACE)
        if label.items() <= one.inputs["metadata"]["labels"].items()
    }
    assert allowed == {"portolan-system", "risk-scoring"}


def _open(value):
    """Return a value without Pulumi's envelope of a secret."""
    return value["value"] if isinstance(value, dict) and "value" in value else value


def _images(value):
    if isinstance(value, dict):
        for key, entry in value.items():
            if key == "image" and isinstance(entry, str):
                yield entry
            else:
                yield from _images(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _images(entry)


def _pods(value):
    if isinstance(value, dict):
        if isinstance(value.get("containers"), list) and "image" in value["containers"][0]:
            yield value
        for entry in value.values():
            yield from _pods(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _pods(entry)
