"""The declarations that the risk model learns from, put into the object store once per edition of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from stacks.platform.capability import Capability
from stacks.platform.object_store import REGION, RESTRICTED

NAME = "declarations-load"
FILES = ("train.csv", "valid.csv")
UPLOAD = """
import pathlib, sys
from model_server.storage import open_store
store = open_store(sys.argv[1])
for name in sys.argv[2:]:
    store.write(name, pathlib.Path("/data", name).read_bytes())
    print("loaded", name)
"""


@dataclass(frozen=True)
class DeclarationsArgs:
    """The image that carries the data, the image that can speak to the store, and where it goes."""

    namespace: str
    data_image: str
    upload_image: str
    bucket: str
    store_url: str
    credentials_secret: str


class Declarations(Capability):
    """The job that loads the declarations. Output `uri`: where they are, once they are there."""

    uri: pulumi.Output[str]

    def __init__(self, name: str, args: DeclarationsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Declarations", name, opts)
        self.uri_text = f"s3://{args.bucket}/"
        self.job = kubernetes.batch.v1.Job(
            NAME,
            metadata={"name": NAME, "namespace": args.namespace, "labels": {"app.kubernetes.io/part-of": "portolan"}},
            spec={
                "backoffLimit": 6,
                "template": {
                    "metadata": {"labels": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "portolan"}},
                    "spec": self._pod(args),
                },
            },
            # A job cannot be changed: another edition of the data is another job of the same name.
            opts=self.child(replace_on_changes=["spec"], delete_before_replace=True),
        )
        self.uri = self.job.id.apply(lambda _: self.uri_text)
        self.register_outputs({"uri": self.uri})

    def _pod(self, args: DeclarationsArgs) -> dict[str, Any]:
        volume = {"name": "data", "mountPath": "/load"}
        small = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "384Mi"}}
        return {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [
                {
                    "name": "copy",
                    "image": args.data_image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", " && ".join(f"cp /data/{file} /load/{file}" for file in FILES)],
                    "resources": small,
                    "securityContext": RESTRICTED,
                    "volumeMounts": [volume],
                }
            ],
            "containers": [
                {
                    "name": "upload",
                    "image": args.upload_image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-c", UPLOAD, self.uri_text, *FILES],
                    "env": [
                        {"name": "AWS_ENDPOINT_URL", "value": args.store_url},
                        {"name": "AWS_REGION", "value": REGION},
                        *(
                            {
                                "name": key,
                                "valueFrom": {"secretKeyRef": {"name": args.credentials_secret, "key": key}},
                            }
                            for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
                        ),
                    ],
                    "resources": small,
                    "securityContext": RESTRICTED,
                    "volumeMounts": [{**volume, "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        }
