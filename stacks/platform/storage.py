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
    """A storage class that claims can name. Output `class_name`.

    Directories of hosts in the cloud have a class of their own: a claim says by its class on which side it lies.
    """

    class_name: pulumi.Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Storage", name, opts)
        offer = args.offer
        if offer.kind == "class":  # the cluster brings its own provisioner
            self.class_name = pulumi.Output.from_input(offer.class_name)
        else:
            self.class_name = self._storage_class(offer.class_name).metadata.name
            if offer.hosts_in_cloud:
                self._storage_class(offer.class_name_in_cloud)
            for host in offer.hosts:
                in_cloud = host in offer.hosts_in_cloud
                for index in range(1, offer.count_per_host + 1):
                    self._volume(offer, host, index, offer.class_name_in_cloud if in_cloud else offer.class_name)
        self.register_outputs({"class_name": self.class_name})

    def _storage_class(self, name: str) -> kubernetes.storage.v1.StorageClass:
        return kubernetes.storage.v1.StorageClass(
            name,
            metadata={"name": name},
            provisioner="kubernetes.io/no-provisioner",
            reclaim_policy="Retain",
            volume_binding_mode="WaitForFirstConsumer",
            opts=self.child(),
        )

    def _volume(self, offer: StorageOffer, host: str, index: int, class_name: str) -> None:
        volume = f"{host}-volume-{index}"
        kubernetes.core.v1.PersistentVolume(
            volume,
            metadata={"name": volume, "labels": {"app.kubernetes.io/part-of": "portolan"}},
            spec={
                "capacity": {"storage": f"{offer.capacity_bytes // 2**30}Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": class_name,
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
