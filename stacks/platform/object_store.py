"""The object store: SeaweedFS with its S3 gateway, its identities, its buckets, and who may reach it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from portolan.platform.secrets import AccessKey
from stacks.platform.capability import Capability

S3_PORT = 8333
REGION = "us-east-1"  # S3 clients want one; the store has no regions
CLIENT_LABEL = "portolan/object-store-client"
NAME = "object-store"
LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "portolan"}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
USER_ID = 1000
# Run by the store's own shell as soon as it answers. Its listing has a line a bucket: two spaces, the name, a tab.
MAKE_BUCKETS = """\
ask() { echo "$1" | weed shell -master=$POD_IP:9333; }
until known=$(ask s3.bucket.list); do sleep 1; done
for bucket in $BUCKETS; do
  case "$known" in
    *"  $bucket	"*) ;;
    *) ask "s3.bucket.create -name $bucket" || exit 1 ;;
  esac
done
"""


@dataclass(frozen=True)
class Identity:
    """Who may do what in the store: actions as SeaweedFS writes them, for example `Read:models`."""

    name: str
    key: AccessKey
    actions: Sequence[str]


@dataclass(frozen=True)
class ObjectStoreArgs:
    """The store's image, size and users."""

    namespace: str
    image: str
    storage_class: pulumi.Input[str]
    capacity_bytes: int
    cpu_millicores: int
    memory_mebibytes: int
    buckets: Sequence[str]
    identities: Sequence[Identity]
    client_namespaces: Mapping[str, Identity]  # namespace -> the identity whose credentials it gets


class ObjectStore(Capability):
    """An S3 endpoint in the cluster. Outputs `endpoint` (host:port) and `url`."""

    endpoint: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(self, name: str, args: ObjectStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ObjectStore", name, opts)
        self.host = f"{NAME}.{args.namespace}.svc.cluster.local:{S3_PORT}"
        configuration = s3_configuration(args.identities)
        identities = kubernetes.core.v1.Secret(
            "object-store-identities",
            metadata={"name": "object-store-identities", "namespace": args.namespace},
            data={"s3.json": pulumi.Output.secret(b64encode(configuration.encode()).decode())},
            opts=self.child(),
        )
        kubernetes.core.v1.Service(
            NAME,
            metadata={"name": NAME, "namespace": args.namespace, "labels": LABELS},
            spec={
                "selector": {"app.kubernetes.io/name": NAME},
                "ports": [
                    {"name": "s3", "port": S3_PORT, "targetPort": "s3", "protocol": "TCP"},
                    {"name": "master", "port": 9333, "targetPort": "master", "protocol": "TCP"},
                ],
            },
            opts=self.child(),
        )
        kubernetes.apps.v1.StatefulSet(
            NAME,
            metadata={"name": NAME, "namespace": args.namespace, "labels": LABELS},
            spec=self._stateful_set(args, sha256(configuration.encode()).hexdigest()[:16]),
            opts=self.child(identities),
        )
        kubernetes.networking.v1.NetworkPolicy(
            NAME,
            metadata={"name": NAME, "namespace": args.namespace},
            spec={
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {
                        "from": [{"namespaceSelector": {"matchLabels": {CLIENT_LABEL: "true"}}}],
                        "ports": [{"port": "s3", "protocol": "TCP"}],
                    },
                    {"from": [{"podSelector": {"matchLabels": LABELS}}]},
                ],
            },
            opts=self.child(),
        )
        for namespace, identity in args.client_namespaces.items():
            self._credentials(namespace, identity)
        self.endpoint = pulumi.Output.from_input(self.host)
        self.url = pulumi.Output.from_input(f"http://{self.host}")
        self.register_outputs({"endpoint": self.endpoint, "url": self.url})

    def _stateful_set(self, args: ObjectStoreArgs, digest: str) -> dict[str, Any]:
        gibibytes = max(1, args.capacity_bytes // 2**30)
        # SeaweedFS reserves volumes ahead: small ones, so that a bucket's first object does not ask for 30 GB.
        command = (
            "weed server -dir=/data -ip=$(POD_IP) -ip.bind=0.0.0.0 -s3 -s3.config=/etc/seaweedfs/s3.json"
            " -volume.max=0 -volume.preStopSeconds=1 -master.volumeSizeLimitMB=256 -master.volumePreallocate=false"
        )
        return {
            "serviceName": NAME,
            # Else a pod that never became ready would block the change that mends it.
            "podManagementPolicy": "Parallel",
            "replicas": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "template": {
                "metadata": {"labels": LABELS, "annotations": {"portolan/identities-digest": digest}},
                "spec": {
                    "securityContext": {
                        "runAsUser": USER_ID,
                        "runAsGroup": USER_ID,
                        "fsGroup": USER_ID,
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "enableServiceLinks": False,
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 20,
                    "containers": [
                        {
                            "name": "seaweedfs",
                            "image": args.image,
                            "imagePullPolicy": "IfNotPresent",
                            "command": ["/bin/sh", "-c"],
                            "args": [f"exec {command}"],
                            "workingDir": "/tmp",
                            "env": [
                                {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                                {"name": "BUCKETS", "value": " ".join(args.buckets)},
                            ],
                            "ports": [
                                {"name": "s3", "containerPort": S3_PORT, "protocol": "TCP"},
                                {"name": "master", "containerPort": 9333, "protocol": "TCP"},
                            ],
                            "lifecycle": {
                                "postStart": {
                                    "exec": {
                                        "command": [
                                            "/bin/sh",
                                            "-c",
                                            MAKE_BUCKETS,
                                        ]
                                    }
                                }
                            },
                            "readinessProbe": {"tcpSocket": {"port": "s3"}, "periodSeconds": 2},
                            "livenessProbe": {
                                "tcpSocket": {"port": "s3"},
                                "initialDelaySeconds": 60,
                                "periodSeconds": 20,
                            },
                            "resources": {
                                "requests": {
                                    "cpu": f"{args.cpu_millicores}m",
                                    "memory": f"{args.memory_mebibytes}Mi",
                                },
                                "limits": {"memory": f"{2 * args.memory_mebibytes}Mi"},
                            },
                            "securityContext": RESTRICTED,
                            "volumeMounts": [
                                {"name": "data", "mountPath": "/data"},
                                {"name": "identities", "mountPath": "/etc/seaweedfs", "readOnly": True},
                                {"name": "scratch", "mountPath": "/tmp"},
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "identities", "secret": {"secretName": "object-store-identities"}},
                        {"name": "scratch", "emptyDir": {}},
                    ],
                },
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": args.storage_class,
                        "resources": {"requests": {"storage": f"{gibibytes}Gi"}},
                    },
                }
            ],
        }

    def _credentials(self, namespace: str, identity: Identity) -> None:
        kubernetes.core.v1.Secret(
            f"{namespace}-object-store-credentials",
            metadata={
                "name": "object-store-credentials",
                "namespace": namespace,
                # KServe's storage initializer reads where the store is from these.
                "annotations": {
                    "serving.kserve.io/s3-endpoint": self.host,
                    "serving.kserve.io/s3-usehttps": "0",
                    "serving.kserve.io/s3-region": REGION,
                    "serving.kserve.io/s3-useanoncredential": "false",
                },
            },
            data={
                "AWS_ACCESS_KEY_ID": pulumi.Output.secret(_encoded(identity.key.access_key)),
                "AWS_SECRET_ACCESS_KEY": pulumi.Output.secret(_encoded(identity.key.secret_key)),
            },
            opts=self.child(),
        )


def s3_configuration(identities: Sequence[Identity]) -> str:
    """Return SeaweedFS's S3 configuration: who holds which keys and may do what."""
    document = {
        "identities": [
            {
                "name": identity.name,
                "credentials": [{"accessKey": identity.key.access_key, "secretKey": identity.key.secret_key}],
                "actions": list(identity.actions),
            }
            for identity in identities
        ]
    }
    return json.dumps(document, sort_keys=True)


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()
