"""Training bursts into the cloud: the queue that lets them in, its ledger, and the data that may leave the site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pulumi

from portolan.sizing.placement import KIND_LABEL, PlacementPlan
from portolan.sizing.plan import Plan
from stacks.platform.capability import Capability
from stacks.platform.namespaces import NamespaceSpec
from stacks.platform.object_store import REGION, RESTRICTED
from stacks.platform.objects import Document, KubernetesObject
from stacks.platform.quotas import ROOM_FACTOR, ROOM_MEBIBYTES, ROOM_MILLICORES, ROOM_PODS

NAMESPACE: Final = "bursts"
QUEUE: Final = "burst-queue"
LEDGER: Final = "burst-ledger"
SERVICES: Final = ("risk-training-head", "risk-training-worker")
PART = {"app.kubernetes.io/part-of": "portolan"}


@dataclass(frozen=True)
class BurstsArgs:
    """Limits, the programs' folder, the image that runs them, and where data come from and go to."""

    placement: PlacementPlan
    programs: Path
    image: str
    system_namespace: str
    data_namespace: str
    source_uri: str
    anonymised_uri: str
    store_url: str
    credentials_secret: str
    # Of a site with a cluster in each location, the cloud's has the queue, and the one on site anonymises.
    queues: bool = True
    anonymises: bool = True


def burst_namespace(plan: Plan, pod_security: str, labels: Mapping[str, str]) -> NamespaceSpec:
    """Return the bursts' namespace: room for as many jobs as may run at once."""
    assert plan.placement is not None
    jobs = plan.placement.bursts.jobs_at_once
    services = [plan.service(name) for name in SERVICES]
    return NamespaceSpec(
        name=NAMESPACE,
        pod_security=pod_security,
        cpu_millicores=ROOM_MILLICORES + jobs * sum(int(one.replicas) * int(one.cpu_millicores) for one in services),
        memory_mebibytes=ROOM_MEBIBYTES + jobs * sum(int(one.replicas) * int(one.memory_mebibytes) for one in services),
        # A job that was put back starts anew while its old pods still wait to be told that they ended.
        pods=ROOM_PODS + ROOM_FACTOR * jobs * sum(int(one.replicas) for one in services),
        labels=labels,
    )


class Bursts(Capability):
    """The queue and the anonymised data. Output `queue`: its name."""

    queue: pulumi.Output[str]

    def __init__(self, name: str, args: BurstsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Bursts", name, opts)
        programs = {
            file: (args.programs / file).read_text(encoding="utf-8") for file in ("burst_queue.py", "anonymise.py")
        }
        scripts = [KubernetesObject(document, self.child()) for document in _programs(args, programs)]
        if args.queues:
            # The ledger holds what was spent: it is made once, and never put back to nothing.
            ledger = KubernetesObject(
                _ledger(args),
                pulumi.ResourceOptions.merge(self.child(), pulumi.ResourceOptions(ignore_changes=["data"])),
            )
            accounts = [KubernetesObject(document, self.child()) for document in _accounts(args)]
            KubernetesObject(_queue(args, programs), self.child(ledger, *accounts, *scripts))
        if args.anonymises:
            KubernetesObject(
                _anonymising(args, programs),
                self.child(*scripts, replace_on_changes=["spec"], delete_before_replace=True),
            )
        self.queue = pulumi.Output.from_input(QUEUE if args.queues else "")
        self.register_outputs({"queue": self.queue})


def limits(args: BurstsArgs) -> str:
    """Return the limits as the queue reads them."""
    return json.dumps({"namespace": NAMESPACE, **args.placement.bursts.model_dump()}, sort_keys=True)


def _ledger(args: BurstsArgs) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": LEDGER, "namespace": args.system_namespace, "labels": PART},
        "data": {"ledger.json": "{}"},
    }


def _programs(args: BurstsArgs, programs: Mapping[str, str]) -> list[Document]:
    """Return what the pods mount: the queue with its limits, and the program that anonymises."""

    def mounted(name: str, namespace: str, data: dict[str, str]) -> Document:
        metadata = {"name": name, "namespace": namespace, "labels": PART}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    queue = {"burst_queue.py": programs["burst_queue.py"], "limits.json": limits(args)}
    wanted = [mounted(QUEUE, args.system_namespace, queue)] if args.queues else []
    if args.anonymises:
        wanted.append(mounted("anonymise", args.data_namespace, {"anonymise.py": programs["anonymise.py"]}))
    return wanted


def _accounts(args: BurstsArgs) -> list[Document]:
    """Return the queue's account and its rights: look at nodes, start and suspend RayJobs, write its ledger."""
    subject = [{"kind": "ServiceAccount", "name": QUEUE, "namespace": args.system_namespace}]
    group = "rbac.authorization.k8s.io"

    def role(namespace: str | None, rules: list[dict[str, Any]]) -> list[Document]:
        prefix = "" if namespace else "Cluster"
        metadata = {"name": QUEUE, "labels": PART} | ({"namespace": namespace} if namespace else {})
        reference = {"apiGroup": group, "kind": f"{prefix}Role", "name": QUEUE}
        return [
            {"apiVersion": f"{group}/v1", "kind": f"{prefix}Role", "metadata": metadata, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": f"{prefix}RoleBinding",
                "metadata": metadata,
                "subjects": subject,
                "roleRef": reference,
            },
        ]

    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": QUEUE, "namespace": args.system_namespace, "labels": PART},
        },
        *role(None, [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]),
        *role(NAMESPACE, [{"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["list", "patch"]}]),
        *role(
            args.system_namespace,
            [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [LEDGER], "verbs": ["get", "patch"]}],
        ),
    ]


def _queue(args: BurstsArgs, programs: Mapping[str, str]) -> Document:
    labels = {"app.kubernetes.io/name": QUEUE, **PART}
    ledger = f"/api/v1/namespaces/{args.system_namespace}/configmaps/{LEDGER}"
    environment = {
        "BURST_LIMITS": "/queue/limits.json",
        "BURST_LEDGER": ledger,
        "BURST_NODES": f"{KIND_LABEL}%3Dcloud",
    }
    # Silent for long: the API does not answer either, and a restart mends what can be mended.
    alive = {"exec": {"command": ["/bin/sh", "-c", 'test -n "$(find /tmp/turned -mmin -3)"']}}
    digest = sha256((programs["burst_queue.py"] + limits(args)).encode()).hexdigest()[:16]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": QUEUE, "namespace": args.system_namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            # Two queues would both let jobs in.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app.kubernetes.io/name": QUEUE}},
            "template": {
                "metadata": {"labels": labels, "annotations": {"portolan/program-digest": digest}},
                "spec": {
                    "serviceAccountName": QUEUE,
                    "enableServiceLinks": False,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [
                        {
                            "name": "queue",
                            "image": args.image,
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["python", "/queue/burst_queue.py"],
                            "env": [
                                *({"name": key, "value": value} for key, value in environment.items()),
                                # The liveness probe looks here.
                                {"name": "PYTHONUNBUFFERED", "value": "1"},
                            ],
                            "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/turned"]}, "periodSeconds": 3},
                            "livenessProbe": {**alive, "initialDelaySeconds": 120, "periodSeconds": 30},
                            "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}},
                            "securityContext": RESTRICTED,
                            "volumeMounts": [
                                {"name": "queue", "mountPath": "/queue", "readOnly": True},
                                {"name": "scratch", "mountPath": "/tmp"},
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "queue", "configMap": {"name": QUEUE}},
                        {"name": "scratch", "emptyDir": {}},
                    ],
                },
            },
        },
    }


def _anonymising(args: BurstsArgs, programs: Mapping[str, str]) -> Document:
    labels = {"app.kubernetes.io/name": "anonymise", **PART}
    digest = sha256(programs["anonymise.py"].encode()).hexdigest()[:16]
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "anonymise", "namespace": args.data_namespace, "labels": labels},
        "spec": {
            "backoffLimit": 6,
            "template": {
                "metadata": {"labels": labels, "annotations": {"portolan/program-digest": digest}},
                "spec": {
                    "restartPolicy": "OnFailure",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [
                        {
                            "name": "anonymise",
                            "image": args.image,
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["python", "/program/anonymise.py", args.source_uri, args.anonymised_uri],
                            "env": [
                                {"name": "AWS_ENDPOINT_URL", "value": args.store_url},
                                {"name": "AWS_REGION", "value": REGION},
                                *(
                                    {
                                        "name": key,
                                        "valueFrom": {"secretKeyRef": {"name": args.credentials_secret, "key": key}},
                                    }
                                    for key in keys
                                ),
                            ],
                            "resources": {
                                "requests": {"cpu": "50m", "memory": "192Mi"},
                                "limits": {"memory": "768Mi"},
                            },
                            "securityContext": RESTRICTED,
                            "volumeMounts": [{"name": "program", "mountPath": "/program", "readOnly": True}],
                        }
                    ],
                    "volumes": [{"name": "program", "configMap": {"name": "anonymise"}}],
                },
            },
        },
    }
