"""Where model services keep their logs of decisions: a bucket of its own, and a key that may write there alone."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from portolan.platform.secrets import AccessKey
from stacks.platform.capability import Capability
from stacks.platform.object_store import Identity

BUCKET = "decisions"
SECRET = "decision-log"


def writer(key: AccessKey) -> Identity:
    """Return who ships logs to the object store: it writes to their bucket, and reads nothing anywhere."""
    return Identity("decision-log", key, [f"Write:{BUCKET}"])


@dataclass(frozen=True)
class DecisionLogArgs:
    """The key that masks identities, the key of the bucket, and where the store is."""

    namespace: str
    audit_key: str
    bucket_key: AccessKey
    store_url: str
    region: str


class DecisionLog(Capability):
    """What a model service needs to keep a log that outlives its pods: `values` gives its chart's."""

    def __init__(self, name: str, args: DecisionLogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("DecisionLog", name, opts)
        self._args = args
        kubernetes.core.v1.Secret(
            SECRET,
            metadata={"name": SECRET, "namespace": args.namespace},
            data={
                "key": _secret(args.audit_key),
                "AWS_ACCESS_KEY_ID": _secret(args.bucket_key.access_key),
                "AWS_SECRET_ACCESS_KEY": _secret(args.bucket_key.secret_key),
            },
            opts=self.child(),
        )
        self.register_outputs({})

    def values(self, service: str) -> dict[str, Any]:
        """Return the values that the chart of `service` takes for its log."""
        return values(service, self._args.store_url, self._args.region)


def values(service: str, store_url: str, region: str) -> dict[str, Any]:
    """Return a chart's values for the log of `service`."""
    return {
        "auditSecret": SECRET,
        "decisionsStore": {
            "uri": f"s3://{BUCKET}/{service}",
            "url": store_url,
            "region": region,
            "credentialsSecret": SECRET,
        },
    }


def _secret(text: str) -> pulumi.Output[str]:
    return pulumi.Output.secret(b64encode(text.encode()).decode())
