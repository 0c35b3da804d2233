"""Cases of the checks that look at rights, the cluster, the platform and its endpoints."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from portolan.conformity import exposure, results
from portolan.conformity.behaviour import GROUPS
from portolan.conformity.check import Reading
from tests.unit.conformity.case import PRESENT, Case, asks, changed, prints
from tests.unit.conformity.scenes import Scene, listed
from tests.unit.conformity.test_endpoints import answer_v1, answer_v2


def node(name: str = "one", ready: str = "True", version: str = "v1.36.3", gpus: str = "4") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {}},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"nvidia.com/gpu": gpus},
            "nodeInfo": {"kubeletVersion": version, "architecture": "", "bootID": "", "containerRuntimeVersion": "",
                         "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "",
                         "osImage": "", "systemUUID": ""},
            "images": [{"names": ["registry.k8s.io/pause:3.10.1"]}],
        },
    }  # fmt: skip


VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "", "gitTreeState": "", "buildDate": "",
           "goVersion": "", "compiler": "", "platform": ""}  # fmt: skip
NAMESPACES = listed(
    *(
        {"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
        for name in ("portolan-system", "kserve", "kuberay-system", "risk-scoring")
    )
)
LOOSE = json.loads(json.dumps(NAMESPACES).replace("restricted", "privileged", 1))
STAYS = (403, {"reason": "Invalid", "message": "HYB-9.5.4-02: sensitive data stay in the local data centre"})
TWO_PLACES = {
    "GET nodes": listed(
        {"metadata": {"name": "one", "labels": {"portolan.dev/location-kind": "on-site"}}},
        {"metadata": {"name": "two", "labels": {"portolan.dev/location-kind": "cloud"}}},
    ),
    "GET namespaces": listed({"metadata": {"name": "scores", "labels": {"portolan.dev/data-class": "sensitive"}}}),
    "GET pods": listed(
        {"metadata": {"namespace": "scores", "name": "p"}, "spec": {"containers": [], "nodeName": "one"}}
    ),
}
VIOLATES = (403, {"reason": "Forbidden", "message": "violates PodSecurity"})
EXCEEDED = (403, {"reason": "Forbidden", "message": "exceeded quota: one"})
SERVICES = {
    "GET kube-dns": {"spec": {"clusterIP": "10.80.0.10", "ports": [{"port": 53}]}},
    "GET kubernetes": {"spec": {"clusterIP": "10.80.0.1", "ports": [{"port": 443}]}},
}
AUDIT = '3 {"kind": "Event", "apiVersion": "audit.k8s.io/v1"}'


def pod(**security: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "securityContext": security}]}
    return {"metadata": {"namespace": "kserve", "name": "p"}, "spec": spec, "status": {"phase": "Running"}}


def role(*verbs: str) -> dict[str, Any]:
    return {"metadata": {"name": "all"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": list(verbs)}]}


BINDING = {
    "metadata": {"name": "b"},
    "roleRef": {"apiGroup": "", "kind": "ClusterRole", "name": "all"},
    "subjects": [{"kind": "User", "name": "eve"}],
}
TLS = {
    "good": {(exposure, "accepted_versions"): lambda host, port: {"1.1": "refused", "1.2": "accepted"}},
    "worse": {(exposure, "accepted_versions"): lambda host, port: {"1.0": "accepted", "1.2": "accepted"}},
}


def tls(versions: str) -> Scene:
    """Return a scene whose servers accept these versions of TLS; the handshakes themselves are `test_probes.py`'s."""
    return Scene(patches=TLS[versions])


def condition(kind: str, status: str) -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": status, "message": "m"}]}}


STORAGE_URI = {"spec": {"predictor": {"model": {"storageUri": "s3://models/risk-scoring/1"}}}}
DIGEST_OF_MODEL = "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"  # of the bytes b"model"


def stored(card: dict[str, Any], model: bytes = b"model") -> Scene:
    """Return a scene with a model, its manifest and its card in the store, and the endpoint that serves it."""
    place, manifest = "models/risk-scoring/1/", {"files": {"model": DIGEST_OF_MODEL}, "model_digest": "ab12"}
    return Scene(
        answers={"GET risk-scoring": STORAGE_URI, "POST risk-scoring:predict": answer_v1, "GET live": {}},
        objects={
            f"{place}MANIFEST.json": json.dumps(manifest).encode(),
            f"{place}card.json": json.dumps(card).encode(),
            f"{place}model": model,
        },
    )


def fair(*groups: str) -> dict[str, Any]:
    return {"evaluation": {"fairness": {"origin": {"groups": {g: {"inspected_without_cause": 0.1} for g in groups}}}}}


def scaler(most: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "h"},
        "spec": {"maxReplicas": most, "minReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "d"}},
        "status": {"desiredReplicas": 1, "conditions": [{"type": "ScalingActive", "status": "True", "message": "m"}]},
    }


QUOTA = listed({"metadata": {"name": "q"}, "status": {"hard": {"cpu": "4"}}})
CLAIM_POD = {
    "metadata": {"name": "object-store-0"},
    "spec": {"containers": [], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
}


def claim(size: str) -> dict[str, Any]:
    return {"metadata": {"name": "data"}, "status": {"phase": "Bound", "capacity": {"storage": size}}}


def storage_class(grows: bool) -> dict[str, Any]:
    return {"metadata": {"name": "fast"}, "provisioner": "csi", "reclaimPolicy": "Delete",
            "allowVolumeExpansion": grows}  # fmt: skip


def endpoints_on(*names: str) -> dict[str, Any]:
    ready = [{"addresses": ["10.0.0.1"], "nodeName": name, "conditions": {"ready": True}} for name in names]
    labels = {"kubernetes.io/service-name": "risk-scoring-predictor"}
    gone = {
        "metadata": {"name": "old", "labels": labels},
        "addressType": "IPv4",
    }  # as the API server gives one without any
    return listed({"metadata": {"name": "s", "labels": labels}, "addressType": "IPv4", "endpoints": ready}, gone)


def workload(manager: str) -> dict[str, Any]:
    spec = {"selector": {}, "template": {}}
    return {"metadata": {"name": "w", "namespace": "kserve", "managedFields": [{"manager": manager}]}, "spec": spec}


EMPTY = {f"GET {kind}": listed() for kind in ("deployments", "statefulsets", "daemonsets")}
READY = {"type": "MODIFIED", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"},
                                        **condition("Ready", "True")}}  # fmt: skip


def after(seconds: float) -> Any:
    def answer(asked: Any) -> Any:
        time.sleep(seconds)
        return READY

    return answer


VOLUME = {
    "GET storageclasses": listed(storage_class(True)), "GET nodes": listed(node()),
    "POST persistentvolumeclaims": {}, "POST pods": {}, "WATCH pods": after(0.0),
}  # fmt: skip


def groups(*left_out: str) -> dict[str, Any]:
    names = [name for name in GROUPS if name not in left_out]
    entries = [
        {"name": name.partition("/")[0], "versions": [{"groupVersion": name, "version": name.rpartition("/")[2]}]}
        for name in names
    ]
    return {"GET apis": {"kind": "APIGroupList", "groups": entries}}


def figures(ratio: float) -> str:
    one = {"name": "n", "value": 1.0, "unit": "s", "ratio": ratio, "limit": 2.0, "host": "h", "command": "c"}
    return json.dumps([one | {"time": "2999-01-01T00:00:00Z"}])


def benchmark(ratio: float) -> Scene:
    """Return a scene in which every benchmark has written a figure of that ratio to its peer."""
    return Scene(remembered={"figures": figures(ratio)}, patches={(results, "written"): lambda name: figures(ratio)})


def times(seconds: float) -> Scene:
    values = [seconds] * 200
    return Scene(json.dumps({"service": values, "name": values}), SERVICES)


MODEL = stored({"training": {"worker_nodes": ["one", "two"]}} | fair("FR", "BE"))
ONE_NODE = stored({"training": {"worker_nodes": ["one"]}} | fair("FR"))
RATE = 3e8
PREDICTS = {"POST risk-scoring:predict": answer_v1, "POST infer": answer_v2, "GET live": {}}


def wrong_score(document: Any) -> Any:
    found = answer_v1(document)
    found["predictions"][0]["score"] = 2.0
    return found


CASES: dict[str, Case] = {
    "platform.object-store-put-rate": Case(">=", RATE, Scene(), Scene(slow_seconds=0.3), "eight"),
    "platform.object-store-get-rate": Case(">=", RATE, Scene(), Scene(slow_seconds=0.3), "eight"),
    # Exposure, rights and guards.
    "host.unknown-ports": prints(
        "<=", 0, "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n", "tcp LISTEN 0 128 0.0.0.0:3306 0.0.0.0:*\n"
    ),
    "host.etcd-fsync-seconds": changed(
        "<=", 0.002, "etcd-metrics.txt", ('"0.002"} 6995', '"0.002"} 6905'), statistic="p99"
    ),
    "host.audit-daemon": prints(*PRESENT, "sensor auditd active\nsensors-end\n", "sensor auditd failed\nsensors-end\n"),
    "cluster.tls-version": Case(">=", "1.2", tls("good"), tls("worse")),
    "endpoint.tls-version": Case(">=", "1.2", tls("good"), tls("worse")),
    "cluster.containers-as-root": asks(
        "<=", 0, {"GET pods": listed(pod(runAsNonRoot=True))}, {"GET pods": listed(pod(runAsUser=0))}
    ),
    "cluster.administrators": asks(
        "<=", 0, {"GET clusterroles": listed(role("get")), "GET clusterrolebindings": listed(BINDING)},
        {"GET clusterroles": listed(role("*"))},
    ),
    "cluster.vpn": prints(
        *PRESENT, "wireguard wg0 unknown 2 14\ntunnels-end\n", "wireguard wg0 unknown 0 -1\ntunnels-end\n"
    ),
    "cluster.load-balancer": prints(
        *PRESENT, "balancer haproxy 0.0.0.0:8443\nserver api/control-1 UP\nbalancers-end\n",
        "balancer haproxy 0.0.0.0:8443\nserver api/control-1 DOWN\nbalancers-end\n",
    ),
    "cluster.intrusion-detection": prints(
        *PRESENT, "sensor suricata active\nsensors-end\n", "sensor suricata failed\nsensors-end\n"
    ),
    "cluster.rights-by-role": asks(
        *PRESENT, {"POST subjectaccessreviews": {"spec": {}, "status": {"allowed": False}}},
        {"POST subjectaccessreviews": {"spec": {}, "status": {"allowed": True}}},
    ),
    "platform.object-store-refuses-anonymous": asks(*PRESENT, {"GET models": (403, {})}, {"GET models": {}}),
    # The cluster.
    "cluster.version": asks(
        ">=", "1.35", {"GET version": VERSION, "GET nodes": listed(node())},
        {"GET nodes": listed(node(version="v1.34.1"))},
    ),
    "cluster.nodes-ready": asks("==", 1.0, {"GET nodes": listed(node())}, {"GET nodes": listed(node(ready="False"))}),
    "cluster.gpus-per-node": asks(">=", 4, {"GET nodes": listed(node())}, {"GET nodes": listed(node(gpus="2"))}),
    "cluster.secrets-encrypted": prints(*PRESENT, "12 12\n", "11 12\n"),
    "cluster.audit-log": Case(
        *PRESENT, Scene(AUDIT, {"GET secrets": listed()}), Scene(AUDIT.replace("3 ", "900 "), {"GET secrets": listed()})
    ),
    "cluster.pod-security": asks(
        *PRESENT, {"GET namespaces": NAMESPACES, "POST pods": VIOLATES}, {"GET namespaces": LOOSE}
    ),
    "cluster.residency": asks(*PRESENT, TWO_PLACES | {"POST pods": STAYS}, {"POST pods": VIOLATES}),
    "cluster.dns": Case(*PRESENT, Scene("10.80.0.1\n", SERVICES), Scene("", SERVICES)),
    "cluster.conformance-groups": asks("<=", 0, groups(), groups("apps/v1")),
    "cluster.version-skew": asks(
        "<=", 3, {"GET version": VERSION, "GET nodes": listed(node())}, {"GET nodes": listed(node(version="v1.32.0"))}
    ),
    "cluster.service-seconds": Case("<=", 0.01, times(0.002), times(0.02), "p99"),
    "cluster.dns-seconds": Case("<=", 0.01, times(0.002), times(0.02), "p99"),
    "cluster.pod-start-seconds": Case(
        "<=", 5, Scene(remembered={"pod-starts": [1.0, 2.0]}), Scene(remembered={"pod-starts": [1.0, 6.0]}), "max"
    ),
    "cluster.volume-attach-seconds": asks("<=", 1.2, VOLUME, {"WATCH pods": after(1.3)}),
    "cluster.pods-placed": Case(
        ">=", 20, Scene(remembered={"scheduling": {"rate": Reading(90.0)}}),
        Scene(remembered={"scheduling": {"rate": Reading(9.0)}}),
    ),
    "cluster.queue-seconds": Case(
        "<=", 5, Scene(remembered={"scheduling": {"queue": Reading(0.5)}}),
        Scene(remembered={"scheduling": {"queue": Reading(9.0)}}),
    ),
    "cluster.storage-grows": asks(
        *PRESENT, {"GET storageclasses": listed(storage_class(True))},
        {"GET storageclasses": listed(storage_class(False))},
    ),
    # The platform.
    "platform.object-store": Case(*PRESENT, Scene(), Scene(corrupt=True)),
    "platform.object-store-bytes": asks(
        ">=", 10e12, {"GET pods": listed(CLAIM_POD), "GET persistentvolumeclaims": listed(claim("10Ti"))},
        {"GET persistentvolumeclaims": listed(claim("10Gi"))},
    ),
    "platform.inference-service-ready": asks(
        *PRESENT, {"GET risk-scoring": condition("Ready", "True")}, {"GET risk-scoring": condition("Ready", "False")}
    ),
    "platform.training-succeeded": asks(
        *PRESENT, {"GET risk-training": {"status": {"jobStatus": "SUCCEEDED"}}},
        {"GET risk-training": {"status": {"jobStatus": "FAILED"}}},
    ),
    "platform.training-nodes": Case(">=", 2, MODEL, ONE_NODE),
    "platform.served-model-is-trained-model": Case(
        *PRESENT, MODEL, replace(MODEL, answers=MODEL.answers | {
            "POST risk-scoring:predict": lambda asked: answer_v1(asked) | {"model_digest": "other"}
        }),
    ),
    "platform.quotas": asks(*PRESENT, {"GET resourcequotas": QUOTA, "POST pods": EXCEEDED}, {"POST pods": {}}),
    "platform.autoscaling": asks(
        *PRESENT, {"GET horizontalpodautoscalers": listed(scaler(3))},
        {"GET horizontalpodautoscalers": listed(scaler(1))},
    ),
    "platform.serving-nodes": asks(
        ">=", 2, {"GET endpointslices": endpoints_on("one", "two")}, {"GET endpointslices": endpoints_on("one")}
    ),
    "platform.made-by-hand": asks(
        "<=", 0, EMPTY | {"GET deployments": listed(workload("pulumi-kubernetes"))},
        {"GET deployments": listed(workload("kubectl-create"))},
    ),
    "platform.fairness-groups": Case(">=", 1, MODEL, ONE_NODE),
    **{f"platform.benchmark-{name}": Case("<=", 0, benchmark(1.5), benchmark(2.5)) for name in results.BENCHMARKS},
    # Endpoints.
    "endpoint.v1": asks(*PRESENT, PREDICTS, {"POST risk-scoring:predict": wrong_score}),
    "endpoint.v2": asks(*PRESENT, PREDICTS, {"POST risk-scoring:predict": wrong_score}),
    "endpoint.latency-seconds": Case(
        "<=", 1, Scene(remembered={"latency/risk-scoring": [0.01] * 200}),
        Scene(remembered={"latency/risk-scoring": [1.5] * 200}), "p95",
    ),
    "endpoint.tls": Case(*PRESENT, Scene(remembered={"tls": True}), Scene()),
}  # fmt: skip
