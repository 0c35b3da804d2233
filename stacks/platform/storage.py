"""Block storage: a class over directories of the hosts, one persistent volume each, bound to its host."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from stacks.clusters.interface import StorageOffer
from stacks.platform.capability import Capability


@dataclass(frozen=True)
class StorageArgs:
    """What the cluster offers."""

    offer: StorageOffer


class Storage(Capability):
    """A storage class that claims can name. Output `class_name`."""

    class_name: pulumi.Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Storage", name, opts)
        offer = args.offer
        if offer.kind == "class":  # the cluster brings its own provisioner
            self.class_name = pulumi.Output.from_input(offer.class_name)
        else:
            storage_class = kubernetes.storage.v1.StorageClass(
                offer.class_name,
                metadata={"name": offer.class_name},
                provisioner="kubernetes.io/no-provisioner",
                reclaim_policy="Retain",
                volume_binding_mode="WaitForFirstConsumer",
                opts=self.child(),
            )
            self.class_name = storage_class.metadata.name
            for host in offer.hosts:
                for index in range(1, offer.count_per_host + 1):
                    self._volume(offer, host, index)
        self.register_outputs({"class_name": self.class_name})

    def _volume(self, offer: StorageOffer, host: str, index: int) -> None:
        volume = f"{host}-volume-{index}"
        kubernetes.core.v1.PersistentVolume(
            volume,
            metadata={"name": volume, "labels": {"app.kubernetes.io/part-of": "portolan"}},
            spec={
                "capacity": {"storage": f"{offer.capacity_bytes // 2**30}Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": offer.class_name,
                "volumeMode": "Filesystem",
                "local": {"path": f"{offer.directory}/volume-{index}"},
                "nodeAffinity": {
                    "required": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
                                ]
                            }
                        ]
                    }
                },
            },
            opts=self.child(),
        )
