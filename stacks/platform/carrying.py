"""Anonymised data on their way between clusters: a job on site that carries them, and the door that it knocks at."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from portolan.platform.secrets import AccessKey
from portolan.sizing.placement import PlannedLocation
from stacks.platform.bursts import PART
from stacks.platform.capability import Capability
from stacks.platform.object_store import LABELS, REGION, RESTRICTED, S3_PORT
from stacks.platform.objects import KubernetesObject

NODE_PORT: Final = 30833  # of the store in the cloud's cluster, on every host there
SCHEDULE: Final = "*/2 * * * *"  # what has arrived is only compared, so often costs little


@dataclass(frozen=True)
class CarryingArgs:
    """What is carried where, by whom."""

    to: PlannedLocation
    key: AccessKey
    program: Path
    image: str
    namespace: str
    uri: str
    store_url: str
    credentials_secret: str


class Carrying(Capability):
    """The job on site that carries anonymised data to one location. Output `target`: the store's address there."""

    target: pulumi.Output[str]

    def __init__(self, name: str, args: CarryingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Carrying", name, opts)
        target = f"http://{args.to.gateway_address}:{NODE_PORT}"
        called = f"carry-{args.to.name}"
        program = args.program.read_text(encoding="utf-8")
        kubernetes.core.v1.Secret(
            called,
            metadata={"name": called, "namespace": args.namespace, "labels": PART},
            data={
                "CARRY_ACCESS_KEY_ID": pulumi.Output.secret(_encoded(args.key.access_key)),
                "CARRY_SECRET_ACCESS_KEY": pulumi.Output.secret(_encoded(args.key.secret_key)),
            },
            opts=self.child(),
        )
        script = KubernetesObject(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": called, "namespace": args.namespace, "labels": PART},
                "data": {"carry.py": program},
            },
            self.child(),
        )
        KubernetesObject(_job(args, called, target, program), self.child(script))
        # The one way out of a sensitive namespace into the cloud: this job alone, to this port alone.
        kubernetes.networking.v1.NetworkPolicy(
            called,
            metadata={"name": called, "namespace": args.namespace},
            spec={
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": called}},
                "policyTypes": ["Egress"],
                "egress": [
                    {
                        "to": [{"ipBlock": {"cidr": f"{args.to.gateway_address}/32"}}],
                        "ports": [{"port": NODE_PORT, "protocol": "TCP"}],
                    }
                ],
            },
            opts=self.child(),
        )
        self.target = pulumi.Output.from_input(target)
        self.register_outputs({"target": self.target})


def _job(args: CarryingArgs, called: str, target: str, program: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": called, **PART}
    secrets = {
        "AWS_ACCESS_KEY_ID": args.credentials_secret,
        "AWS_SECRET_ACCESS_KEY": args.credentials_secret,
        "CARRY_ACCESS_KEY_ID": called,
        "CARRY_SECRET_ACCESS_KEY": called,
    }
    values = {"AWS_ENDPOINT_URL": args.store_url, "AWS_REGION": REGION, "CARRY_ENDPOINT_URL": target}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "carry",
                "image": args.image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["python", "/program/carry.py", args.uri],
                "env": [
                    *({"name": key, "value": value} for key, value in values.items()),
                    *(
                        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
                        for key, secret in secrets.items()
                    ),
                ],
                "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
                "securityContext": RESTRICTED,
                "volumeMounts": [{"name": "program", "mountPath": "/program", "readOnly": True}],
            }
        ],
        "volumes": [{"name": "program", "configMap": {"name": called}}],
    }
    digest = sha256(program.encode()).hexdigest()[:16]
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": called, "namespace": args.namespace, "labels": labels},
        "spec": {
            "schedule": SCHEDULE,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": 600,
                    "template": {
                        "metadata": {"labels": labels, "annotations": {"portolan/program-digest": digest}},
                        "spec": pod,
                    },
                }
            },
        },
    }


@dataclass(frozen=True)
class DoorArgs:
    """Where the store is, and the hosts' ranges that may knock: a NodePort shows its callers as hosts."""

    namespace: str
    host_ranges: Sequence[str]


class Door(Capability):
    """The object store's port on the hosts of the cloud's cluster, for who carries data there. Output `port`."""

    port: pulumi.Output[int]

    def __init__(self, name: str, args: DoorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Door", name, opts)
        called, namespace = "object-store-door", args.namespace
        store = {"app.kubernetes.io/name": LABELS["app.kubernetes.io/name"]}
        kubernetes.core.v1.Service(
            called,
            metadata={"name": called, "namespace": namespace, "labels": PART},
            spec={
                "type": "NodePort",
                "selector": store,
                "ports": [
                    {"name": "s3", "port": S3_PORT, "targetPort": "s3", "nodePort": NODE_PORT, "protocol": "TCP"}
                ],
            },
            opts=self.child(),
        )
        kubernetes.networking.v1.NetworkPolicy(
            called,
            metadata={"name": called, "namespace": namespace},
            spec={
                "podSelector": {"matchLabels": store},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {
                        "from": [{"ipBlock": {"cidr": one}} for one in args.host_ranges],
                        "ports": [{"port": "s3", "protocol": "TCP"}],
                    }
                ],
            },
            opts=self.child(),
        )
        self.port = pulumi.Output.from_input(NODE_PORT)
        self.register_outputs({"port": self.port})


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
