"""Checks of the platform: the object store, the served model, the training that made it, quotas and scaling."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from portolan.conformity.check import Check, Reading, nothing
from portolan.conformity.endpoints import v1_answer
from portolan.conformity.store import object_store, read_manifest, round_trip, sha256_of_object

if TYPE_CHECKING:
    from portolan.conformity.world import World

TIMEOUT_SECONDS = 10
NAMESPACE = "risk-scoring"
SERVICE = "risk-scoring"
TRAINING = "risk-training"
PROBE_BYTES = 65_536
FINAL = ("SUCCEEDED", "FAILED", "STOPPED")


def works(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the object store keeps what is put into it."""
    from botocore.exceptions import BotoCoreError, ClientError

    from portolan.conformity.reach import HostUnreachableError

    try:
        same = round_trip(
            object_store(world), "models", f"probe/{secrets.token_hex(8)}", secrets.token_bytes(PROBE_BYTES)
        )
    except (BotoCoreError, ClientError, HostUnreachableError, LookupError) as error:
        return Reading(False, detail=str(error))
    return Reading(same, detail=f"{PROBE_BYTES} bytes written, read and deleted" if same else "other bytes came back")


def condition(found: dict[str, Any], kind: str) -> tuple[str, str]:
    """Return status and message of one of an object's conditions."""
    for entry in found.get("status", {}).get("conditions", []):
        if entry.get("type") == kind:
            return str(entry.get("status")), str(entry.get("message") or entry.get("reason") or "")
    return "Unknown", "no such condition yet"


def inference_service(world: World) -> dict[str, Any] | None:
    """Return the InferenceService of the risk score."""
    return world.custom("serving.kserve.io", "v1beta1", "inferenceservices", NAMESPACE, SERVICE)


def ray_job(world: World) -> dict[str, Any] | None:
    """Return the RayJob of the risk score's training."""
    return world.custom("ray.io", "v1", "rayjobs", NAMESPACE, TRAINING)


def service_ready(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the InferenceService is Ready."""
    found = inference_service(world)
    if found is None:
        return Reading(False, detail=f"no InferenceService {NAMESPACE}/{SERVICE}")
    status, message = condition(found, "Ready")
    return Reading(status == "True", detail=message or f"Ready is {status}")


def training_succeeded(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the training job ended well; one that still runs gives no value."""
    found = ray_job(world)
    if found is None:
        return Reading(False, detail=f"no RayJob {NAMESPACE}/{TRAINING}")
    status = found.get("status", {}).get("jobStatus", "")
    if status not in FINAL:
        return nothing(f"RayJob {TRAINING} has not ended: {status or 'not started'}")
    return Reading(status == "SUCCEEDED", detail=f"RayJob {TRAINING}: {status}")


def distinct_nodes(pods: Iterable[Any]) -> set[str]:
    """Return the nodes that pods were given to."""
    return {pod.spec.node_name for pod in pods if pod.spec.node_name}


def training_nodes(world: World, subject: str, statistic: str) -> Reading:
    """Return on how many nodes Ray's workers ran: by the model's own card, else by the pods that are still there."""
    recorded = recorded_nodes(trained_model(world)[1])
    if recorded:
        return Reading(float(len(recorded)), detail=f"by the model's card: {', '.join(sorted(recorded))}")
    job = ray_job(world)
    cluster = (job or {}).get("status", {}).get("rayClusterName")
    if not cluster:
        return nothing(f"RayJob {TRAINING} has no RayCluster")
    selector = f"ray.io/cluster={cluster},ray.io/node-type=worker"
    pods = world.core.list_namespaced_pod(NAMESPACE, label_selector=selector, _request_timeout=TIMEOUT_SECONDS).items
    found = distinct_nodes(pods)
    if not found:
        return nothing(f"the workers of RayCluster {cluster} are gone and the model's card names no nodes")
    return Reading(float(len(found)), detail=", ".join(sorted(found)))


def recorded_nodes(card: dict[str, Any]) -> set[str]:
    """Return the nodes that a model's card says its training workers ran on."""
    training = card.get("training", card)
    names = training.get("worker_nodes") or training.get("nodes") or []
    return {str(name) for name in names} if isinstance(names, list) else set()


def trained_model(world: World) -> tuple[str, dict[str, Any]]:
    """Return the prefix of the served model in bucket `models`, and its card."""
    import json

    def read() -> tuple[str, dict[str, Any]]:
        found = inference_service(world) or {}
        prefix = prefix_of(str(storage_uri(found)))
        body = object_store(world).get_object(Bucket="models", Key=f"{prefix}card.json")["Body"].read()
        return prefix, json.loads(body)

    return world.remember("trained-model", read)


def storage_uri(inference: dict[str, Any]) -> str:
    """Return where an InferenceService takes its model from, empty where it does not say."""
    predictor = inference.get("spec", {}).get("predictor", {})
    model = predictor.get("model", {})
    containers = predictor.get("containers", [])
    for entry in [model, *containers]:
        if entry.get("storageUri"):
            return str(entry["storageUri"])
        for variable in entry.get("env", []):
            if variable.get("name") == "STORAGE_URI":
                return str(variable.get("value", ""))
    return ""


def prefix_of(uri: str) -> str:
    """Return the key prefix of an S3 URI.

    >>> prefix_of("s3://models/risk-scoring/3")
    'risk-scoring/3/'

    Raises LookupError where it is no URI of bucket `models`.
    """
    if not uri.startswith("s3://models/"):
        raise LookupError(f"the InferenceService's storageUri is {uri!r}, not in bucket models")
    return uri.removeprefix("s3://models/").rstrip("/") + "/"


def served_is_trained(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the endpoint serves the model whose files lie in the bucket, file by file."""
    client = object_store(world)
    prefix, _ = trained_model(world)
    manifest = read_manifest(client, "models", prefix)
    for name, wanted in manifest.get("files", {}).items():
        found = sha256_of_object(client, "models", prefix + name)
        if found != digest_in(wanted):
            return Reading(False, detail=f"{prefix}{name} is not what its manifest says")
    served = str(v1_answer(world, SERVICE).get("model_digest", ""))
    wanted = str(manifest.get("model_digest", ""))
    if not served or not wanted:
        return Reading(False, detail="the endpoint tells no model_digest" if wanted else "the manifest has no digest")
    same = served == wanted
    return Reading(same, detail=f"served {served[:16]}, trained {wanted[:16]}, {len(manifest.get('files', {}))} files")


def digest_in(entry: Any) -> str:
    """Return a manifest entry's SHA-256, whether it stands alone or beside a size."""
    return str(entry.get("sha256", "")) if isinstance(entry, dict) else str(entry)


def quotas(world: World, subject: str, statistic: str) -> Reading:
    """Return whether the risk score's namespace has a quota that refuses a pod beyond it (dry run)."""
    from kubernetes import client

    found = world.core.list_namespaced_resource_quota(NAMESPACE, _request_timeout=TIMEOUT_SECONDS).items
    limits = {name: value for quota in found for name, value in (quota.status.hard or {}).items()}
    if not limits:
        return Reading(False, detail=f"namespace {NAMESPACE} has no quota")
    try:
        world.core.create_namespaced_pod(NAMESPACE, greedy_pod(), dry_run="All", _request_timeout=TIMEOUT_SECONDS)
    except client.ApiException as error:
        refused = error.status == 403 and "exceeded quota" in str(error.body)
        return Reading(refused, detail="a pod beyond the quota is refused" if refused else str(error.body)[:200])
    return Reading(False, detail="a pod beyond the quota is let in")


def greedy_pod() -> dict[str, Any]:
    """Return a pod that obeys pod security and wants more than any quota gives."""
    amounts = {"cpu": "100000", "memory": "1000Ti"}
    container = {
        "name": "probe",
        "image": "probe",
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"metadata": {"name": "portolan-probe"}, "spec": {"securityContext": security, "containers": [container]}}


def autoscaling(world: World, subject: str, statistic: str) -> Reading:
    """Return whether an autoscaler of the risk score is active and has room to scale."""
    from kubernetes import client

    found = client.AutoscalingV2Api(world.api).list_namespaced_horizontal_pod_autoscaler(
        NAMESPACE, _request_timeout=TIMEOUT_SECONDS
    )
    if not found.items:
        return Reading(False, detail=f"namespace {NAMESPACE} has no HorizontalPodAutoscaler")
    for scaler in found.items:
        if scaler.spec.max_replicas <= (scaler.spec.min_replicas or 1):
            return Reading(False, detail=f"{scaler.metadata.name} has no room: at most {scaler.spec.max_replicas}")
        for entry in scaler.status.conditions or []:
            if entry.type == "ScalingActive":
                return Reading(entry.status == "True", detail=f"{scaler.metadata.name}: {entry.message}")
    return nothing("the autoscaler has not looked at its metrics yet")


CHECKS = (
    Check(
        "platform.object-store",
        "an object is written, read back and deleted",
        "yes/no",
        "S3 put, get, delete",
        works,
        ground="measured",
    ),
    Check(
        "platform.inference-service-ready",
        "InferenceService risk-scoring is Ready",
        "yes/no",
        "GET inferenceservices",
        service_ready,
    ),
    Check(
        "platform.training-succeeded",
        "RayJob risk-training ended SUCCEEDED",
        "yes/no",
        "GET rayjobs",
        training_succeeded,
    ),
    Check(
        "platform.training-nodes",
        "distinct nodes that Ray's workers ran on",
        "nodes",
        "card.json of the model, else GET pods",
        training_nodes,
    ),
    Check(
        "platform.served-model-is-trained-model",
        "the digest that the endpoint tells is that of the files in the bucket",
        "yes/no",
        "S3 get of MANIFEST.json and its files; V1 model_digest",
        served_is_trained,
        ground="measured",
    ),
    Check(
        "platform.quotas",
        "a quota stands in namespace risk-scoring and refuses a pod beyond it",
        "yes/no",
        "POST pods?dryRun=All",
        quotas,
        ground="measured",
    ),
    Check(
        "platform.autoscaling",
        "an autoscaler with room to scale is active",
        "yes/no",
        "GET horizontalpodautoscalers",
        autoscaling,
    ),
)
