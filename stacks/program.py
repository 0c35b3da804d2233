"""What stands on a cluster: each capability once, and what must stand before it."""

from __future__ import annotations

import pulumi

from portolan.sites.schema import HostRole
from portolan.sizing.plan import Plan
from stacks.clusters.interface import Cluster
from stacks.platform import bursts, decision_log, kserve, kuberay, training
from stacks.platform.autoscaling import MetricsServer, MetricsServerArgs
from stacks.platform.carrying import Carrying, CarryingArgs
from stacks.platform.certificates import Certificates, CertificatesArgs
from stacks.platform.decision_log import DecisionLog, DecisionLogArgs
from stacks.platform.declarations import Declarations, DeclarationsArgs
from stacks.platform.devices import Devices, DevicesArgs
from stacks.platform.model_registry import ModelRegistry, ModelRegistryArgs
from stacks.platform.namespaces import Namespaces, NamespacesArgs
from stacks.platform.object_store import REGION, Identity, ObjectStore
from stacks.platform.quotas import namespace_specs
from stacks.platform.residency import Residency, ResidencyArgs
from stacks.platform.risk_scoring import AUDIENCE, RiskScoring, RiskScoringArgs
from stacks.platform.storage import Storage, StorageArgs
from stacks.settings import Settings
from stacks.shared import (
    ANONYMISED_BUCKET,
    BURSTS_BUCKET,
    CREDENTIALS,
    RISK,
    SYSTEM,
    burst_identity,
    namespace_labels,
    object_store_args,
    ray_args,
)
from stacks.use_cases import Surroundings, build_use_cases

DECLARATIONS_BUCKET = "declarations"
MODELS_BUCKET = "models"
BUCKETS = (DECLARATIONS_BUCKET, MODELS_BUCKET, decision_log.BUCKET)
# The report asks for training over several nodes.
TRAINING_NODES = 2


def build(settings: Settings, cluster: Cluster) -> None:
    """Declare the whole platform on `cluster`, and the stack's outputs."""
    plan, sources, secrets = settings.plan, settings.sources, settings.secrets
    version = sources.kubernetes_version()

    placement = plan.placement
    # A site's clusters share the work: bursts are queued in the cloud's own, where there is one.
    queues = placement is not None and placement.here is None
    guards: list[pulumi.Resource] = []

    def on_cluster(*after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(providers=[cluster.provider], depends_on=[*cluster.ready, *after, *guards])

    labels = namespace_labels(plan)
    specs = namespace_specs(plan, settings.pod_security, labels)
    if placement is not None and queues:
        specs = (*specs, bursts.burst_namespace(plan, settings.pod_security, labels[bursts.NAMESPACE]))
    namespaces = Namespaces("namespaces", NamespacesArgs(specs), on_cluster())
    where = namespaces.by_name
    if placement is not None:  # before anything is put on the cluster that could lie in the wrong place
        guards.append(
            Residency(
                "residency",
                ResidencyArgs(placement, [cluster.storage.class_name]),
                on_cluster(where[SYSTEM], where[RISK], *([where[bursts.NAMESPACE]] if queues else [])),
            )
        )
    if plan.devices is not None:
        Devices("devices", DevicesArgs(plan.devices), on_cluster())
    certificates = Certificates(
        "certificates",
        CertificatesArgs(
            authority_certificate=secrets.authority.certificate,
            serving=secrets.kserve_webhook,
            namespace=kserve.NAMESPACE,
            secret_name=kserve.WEBHOOK_SECRET,
        ),
        on_cluster(where[kserve.NAMESPACE]),
    )
    storage = Storage("storage", StorageArgs(cluster.storage), on_cluster())
    administrator = Identity("administrator", secrets.object_store_administrator, ["Admin"])
    scientist = Identity(
        "risk-scoring",
        secrets.object_store_risk_scoring,
        [
            f"{action}:{bucket}"
            for bucket in (DECLARATIONS_BUCKET, MODELS_BUCKET, *((ANONYMISED_BUCKET,) if placement else ()))
            for action in ("Read", "Write", "List")
        ],
    )
    burster = burst_identity(settings)
    object_store = ObjectStore(
        "object-store",
        object_store_args(
            settings,
            cluster,
            buckets=(*BUCKETS, *_burst_buckets(plan)),
            identities=(administrator, scientist, decision_log.writer(secrets.decisions_key), *burster.values()),
            client_namespaces={SYSTEM: administrator, RISK: scientist} | burster,
        ),
        on_cluster(where[SYSTEM], where[RISK], storage, *(where[name] for name in burster)),
    )
    registry = ModelRegistry(
        "model-registry",
        ModelRegistryArgs(bucket=MODELS_BUCKET, store_url=object_store.url, region=REGION, namespaces=(SYSTEM, RISK)),
        on_cluster(where[SYSTEM], where[RISK]),
    )
    serving = kserve.KServe(
        "kserve",
        kserve.KServeArgs(
            provider=cluster.provider,
            kubernetes_version=version,
            definitions_chart=sources.chart("kserve-crd"),
            resources_chart=sources.chart("kserve-resources"),
            controller_image=sources.image("kserve-controller"),
            storage_initializer_image=sources.image("storage-initializer"),
            replicas=int(plan.service("kserve-controller").replicas),
            cpu_millicores=int(plan.service("kserve-controller").cpu_millicores),
            memory_mebibytes=int(plan.service("kserve-controller").memory_mebibytes),
            certificates=certificates,
        ),
        on_cluster(where[kserve.NAMESPACE]),
    )
    ray = kuberay.KubeRay("kuberay", ray_args(settings), on_cluster(where[kuberay.NAMESPACE]))
    store_url = f"http://{object_store.host}"
    declarations = Declarations(
        "declarations",
        DeclarationsArgs(
            namespace=RISK,
            data_image=sources.image("declarations"),
            upload_image=sources.image("risk-training"),
            bucket=DECLARATIONS_BUCKET,
            store_url=store_url,
            credentials_secret=CREDENTIALS,
        ),
        on_cluster(where[RISK], object_store),
    )
    trained = training.Training(
        "training",
        training.TrainingArgs(
            provider=cluster.provider,
            kubernetes_version=version,
            chart=settings.charts / "risk-training",
            namespace=RISK,
            image=sources.image("risk-training"),
            data_image=sources.image("declarations"),
            data_uri=declarations.uri_text,
            models_uri=registry.model(RISK, "").rstrip("/"),
            store_url=store_url,
            region=REGION,
            credentials_secret=CREDENTIALS,
            head=_group(plan, "risk-training-head"),
            workers=_group(plan, "risk-training-worker"),
            minimum_nodes=_training_nodes(plan),
            parameters=settings.training,
        ),
        on_cluster(where[RISK], ray, declarations),
    )
    if placement is not None:
        bursts.Bursts(
            "bursts",
            bursts.BurstsArgs(
                placement=placement,
                programs=settings.programs,
                image=sources.image("risk-training"),
                system_namespace=SYSTEM,
                data_namespace=RISK,
                source_uri=declarations.uri_text,
                anonymised_uri=f"s3://{ANONYMISED_BUCKET}/",
                store_url=store_url,
                credentials_secret=CREDENTIALS,
                queues=queues,
            ),
            on_cluster(*where.values(), ray, declarations),
        )
        carry_to_the_cloud(settings, store_url, on_cluster(where[RISK], object_store))
    log = DecisionLog(
        "decision-log",
        DecisionLogArgs(
            namespace=RISK,
            audit_key=secrets.audit_key,
            bucket_key=secrets.decisions_key,
            store_url=store_url,
            region=REGION,
        ),
        on_cluster(where[RISK], object_store),
    )
    scoring_plan = plan.service("risk-scoring")
    metrics_plan = plan.service("metrics-server")
    metrics = MetricsServer(
        "metrics-server",
        MetricsServerArgs(
            provider=cluster.provider,
            kubernetes_version=version,
            chart=sources.chart("metrics-server"),
            image=sources.image("metrics-server"),
            authority_certificate=secrets.authority.certificate,
            serving=secrets.required("metrics_server"),
            cpu_millicores=int(metrics_plan.cpu_millicores),
            memory_mebibytes=int(metrics_plan.memory_mebibytes),
        ),
        on_cluster(),
    )
    scoring = RiskScoring(
        "risk-scoring",
        RiskScoringArgs(
            provider=cluster.provider,
            kubernetes_version=version,
            chart=settings.charts / "risk-scoring",
            namespace=RISK,
            image=sources.image("risk-scoring"),
            model_uri=trained.model_uri_text,
            credentials_secret=CREDENTIALS,
            replicas=int(scoring_plan.replicas),
            cpu_millicores=int(scoring_plan.cpu_millicores),
            memory_mebibytes=int(scoring_plan.memory_mebibytes),
            node_port=settings.inference_port,
            addresses=cluster.addresses,
            endpoint=secrets.required("endpoint"),
            authority_certificate=secrets.authority.certificate,
            log=log.values(RISK),
        ),
        on_cluster(where[RISK], serving, trained, metrics, log),
    )
    chosen = build_use_cases(
        settings,
        cluster,
        Surroundings(
            namespace=RISK,
            models_uri=registry.uri_text,
            data_uri=declarations.uri_text,
            store_url=store_url,
            region=REGION,
            credentials_secret=CREDENTIALS,
            risk_address=f"https://{RISK}-predictor.{RISK}:80/{RISK}",
            risk_caller_role=f"{RISK}-caller",
            audience=AUDIENCE,
            authority_certificate=secrets.authority.certificate,
            models_certificate=secrets.required("models"),
            log=log,
        ),
        [where[RISK], serving, declarations, log],
    )
    for name, output in chosen.items():
        pulumi.export(name, output)
    pulumi.export("site", plan.site)
    pulumi.export("namespaces", namespaces.names)
    pulumi.export("storageClass", storage.class_name)
    pulumi.export("objectStore", object_store.url)
    pulumi.export("modelRegistry", registry.uri)
    pulumi.export("modelUri", trained.model_uri)
    pulumi.export("modelVersion", trained.model_version)
    pulumi.export("riskScoringUrls", scoring.urls)


def carry_to_the_cloud(settings: Settings, store_url: str, opts: pulumi.ResourceOptions) -> None:
    """Declare on site what carries anonymised data to the clusters in the cloud; nothing on a site of one cluster."""
    placement, key = settings.plan.placement, settings.secrets.object_store_carrier
    if placement is None or placement.here_kind != "on-site" or key is None:
        return
    for location in placement.locations:
        if location.kind == "cloud" and location.gateway_address:
            Carrying(
                f"carrying-{location.name}",
                CarryingArgs(
                    to=location,
                    key=key,
                    program=settings.programs / "carry.py",
                    image=settings.sources.image("risk-training"),
                    namespace=RISK,
                    uri=f"s3://{ANONYMISED_BUCKET}/",
                    store_url=store_url,
                    credentials_secret=CREDENTIALS,
                ),
                opts,
            )


def _burst_buckets(plan: Plan) -> tuple[str, ...]:
    """Return the buckets that bursts learn from and write to, as far as they are in this cluster."""
    if plan.placement is None:
        return ()
    return (ANONYMISED_BUCKET,) if plan.placement.here_kind == "on-site" else (ANONYMISED_BUCKET, BURSTS_BUCKET)


def _training_nodes(plan: Plan) -> int:
    """Return over how many nodes training on sensitive data spreads: two, or the only worker that is on site."""
    if plan.placement is None:
        return TRAINING_NODES
    on_site = plan.placement.hosts_of_kind("on-site")
    workers = [host for host in plan.hosts if host.role is HostRole.WORKER and host.name in on_site]
    return min(TRAINING_NODES, max(1, len(workers)))


def _group(plan: Plan, name: str) -> training.WorkerGroup:
    service = plan.service(name)
    return training.WorkerGroup(int(service.replicas), int(service.cpu_millicores), int(service.memory_mebibytes))
