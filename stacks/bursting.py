"""What stands on a cloud's own cluster: the store, Ray and the queue that bursts need, and nothing sensitive."""

from __future__ import annotations

import pulumi

from stacks.clusters.interface import Cluster
from stacks.platform import bursts, kuberay
from stacks.platform.carrying import Door, DoorArgs
from stacks.platform.namespaces import Namespaces, NamespacesArgs
from stacks.platform.object_store import Identity, ObjectStore
from stacks.platform.quotas import namespace_specs
from stacks.platform.residency import Residency, ResidencyArgs
from stacks.platform.storage import Storage, StorageArgs
from stacks.settings import Settings
from stacks.shared import (
    ANONYMISED_BUCKET,
    BURSTS_BUCKET,
    CREDENTIALS,
    SYSTEM,
    burst_identity,
    namespace_labels,
    object_store_args,
    ray_args,
)


def build(settings: Settings, cluster: Cluster) -> None:
    """Declare what bursts need on `cluster`, and the stack's outputs."""
    plan, sources, secrets = settings.plan, settings.sources, settings.secrets
    placement, carrier = plan.placement, secrets.object_store_carrier
    assert placement is not None
    assert carrier is not None
    guards: list[pulumi.Resource] = []

    def on_cluster(*after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(providers=[cluster.provider], depends_on=[*cluster.ready, *after, *guards])

    labels = namespace_labels(plan)
    specs = namespace_specs(plan, settings.pod_security, labels)
    specs = (*specs, bursts.burst_namespace(plan, settings.pod_security, labels[bursts.NAMESPACE]))
    namespaces = Namespaces("namespaces", NamespacesArgs(specs), on_cluster())
    where = namespaces.by_name
    guards.append(
        Residency("residency", ResidencyArgs(placement, [cluster.storage.class_name]), on_cluster(*where.values()))
    )
    storage = Storage("storage", StorageArgs(cluster.storage), on_cluster())
    administrator = Identity("administrator", secrets.object_store_administrator, ["Admin"])
    burster = burst_identity(settings)
    object_store = ObjectStore(
        "object-store",
        object_store_args(
            settings,
            cluster,
            buckets=(ANONYMISED_BUCKET, BURSTS_BUCKET),
            identities=(
                administrator,
                # It puts anonymised data here, and sees nothing of what bursts make of them.
                Identity("carrier", carrier, [f"{action}:{ANONYMISED_BUCKET}" for action in ("Read", "Write", "List")]),
                *burster.values(),
            ),
            client_namespaces={SYSTEM: administrator} | burster,
        ),
        on_cluster(*where.values(), storage),
    )
    Door(
        "door",
        DoorArgs(SYSTEM, [str(one.range) for one in placement.locations]),
        on_cluster(where[SYSTEM], object_store),
    )
    ray = kuberay.KubeRay("kuberay", ray_args(settings), on_cluster(where[kuberay.NAMESPACE]))
    bursts.Bursts(
        "bursts",
        bursts.BurstsArgs(
            placement=placement,
            programs=settings.programs,
            image=sources.image("risk-training"),
            system_namespace=SYSTEM,
            data_namespace="",
            source_uri="",
            anonymised_uri=f"s3://{ANONYMISED_BUCKET}/",
            store_url=f"http://{object_store.host}",
            credentials_secret=CREDENTIALS,
            anonymises=False,
        ),
        on_cluster(*where.values(), ray),
    )
    pulumi.export("site", plan.site)
    pulumi.export("namespaces", namespaces.names)
    pulumi.export("storageClass", storage.class_name)
    pulumi.export("objectStore", object_store.url)
