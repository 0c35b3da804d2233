"""The models beside risk scoring that the site chose, and the router before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import pulumi

from portolan.platform.pki import ServingCertificate
from portolan.sizing.plan import ServicePlan
from stacks.clusters.interface import Cluster
from stacks.platform.accelerated import GPU, share
from stacks.platform.certificates import Certificates, CertificatesArgs
from stacks.platform.customs_model import USE_CASES, CustomsModel, CustomsModelArgs
from stacks.platform.decision_log import DecisionLog
from stacks.platform.declaration_router import NAME as ROUTER
from stacks.platform.declaration_router import DeclarationRouter, DeclarationRouterArgs
from stacks.platform.language_assistant import NAME as ASSISTANT
from stacks.platform.language_assistant import LanguageAssistant, LanguageAssistantArgs
from stacks.settings import Settings

IMAGE = "customs-models"
CERTIFICATE_SECRET = "customs-models-endpoint"
PARTS = {"hs-classification": "classification", "valuation": "valuation"}


@dataclass(frozen=True)
class Surroundings:
    """What stands already: the namespace and the store, and where risk scoring is asked."""

    namespace: str
    models_uri: str
    data_uri: str
    store_url: str
    region: str
    credentials_secret: str
    risk_address: str
    risk_caller_role: str
    audience: str
    authority_certificate: str
    models_certificate: ServingCertificate
    log: DecisionLog


def build_use_cases(
    settings: Settings, cluster: Cluster, around: Surroundings, after: Sequence[pulumi.Resource]
) -> dict[str, pulumi.Output[str]]:
    """Declare the models that the plan has, and return the stack's outputs of them."""
    plan, sources = settings.plan, settings.sources
    if not any(plan.has_service(name) for name in (*USE_CASES, ROUTER, ASSISTANT)):
        return {}
    certificates = Certificates(
        "customs-models-certificates",
        CertificatesArgs(around.authority_certificate, around.models_certificate, around.namespace, CERTIFICATE_SECRET),
        pulumi.ResourceOptions(providers=[cluster.provider], depends_on=list(after)),
    )
    digest = sha256(around.models_certificate.certificate.encode()).hexdigest()[:12]
    after = [*after, certificates]
    options = pulumi.ResourceOptions(providers=[cluster.provider], depends_on=after)
    outputs: dict[str, pulumi.Output[str]] = {}
    models: dict[str, CustomsModel] = {}
    for name, use_case in USE_CASES.items():
        if not plan.has_service(name):
            continue
        service, training = plan.service(name), plan.service(f"{name}-training")
        gpus = share(plan, name, settings.accelerated)
        size = _size(service)
        if gpus is not None:  # each replica has one, and answers many times faster
            size["replicas"] = gpus.replicas
        models[name] = CustomsModel(
            name,
            CustomsModelArgs(
                provider=cluster.provider,
                kubernetes_version=sources.kubernetes_version(),
                chart=settings.charts / "customs-model",
                namespace=around.namespace,
                use_case=use_case,
                image=sources.image(IMAGE),
                data_image=sources.image("declarations"),
                data_uri=around.data_uri,
                models_uri=f"{around.models_uri}/{name}",
                store_url=around.store_url,
                region=around.region,
                credentials_secret=around.credentials_secret,
                **size,
                training_cpu_millicores=int(training.cpu_millicores),
                training_memory_mebibytes=int(training.memory_mebibytes),
                endpoint_secret=CERTIFICATE_SECRET,
                endpoint_digest=digest,
                audience=around.audience,
                log=around.log.values(name),
                accelerators={} if gpus is None else {GPU: 1},
                runtime_class="" if gpus is None else gpus.runtime_class,
            ),
            options,
        )
        outputs[f"{name}ModelUri"] = models[name].model_uri
    if plan.has_service(ROUTER):
        router = DeclarationRouter(
            ROUTER,
            DeclarationRouterArgs(
                provider=cluster.provider,
                kubernetes_version=sources.kubernetes_version(),
                chart=settings.charts / ROUTER,
                namespace=around.namespace,
                image=sources.image(IMAGE),
                parts={"risk": around.risk_address}
                | {PARTS[name]: model.address for name, model in models.items() if name in PARTS},
                authority_secret=CERTIFICATE_SECRET,
                audience=around.audience,
                caller_roles=[
                    around.risk_caller_role,
                    *(model.caller_role for name, model in models.items() if name in PARTS),
                ],
                budget_seconds=settings.router_budget_seconds,
                **_size(plan.service(ROUTER)),
            ),
            pulumi.ResourceOptions(providers=[cluster.provider], depends_on=[*after, *models.values()]),
        )
        outputs["declarationRouterUrl"] = router.url
    if plan.has_service(ASSISTANT):
        assistant = LanguageAssistant(
            ASSISTANT,
            LanguageAssistantArgs(
                provider=cluster.provider,
                kubernetes_version=sources.kubernetes_version(),
                chart=settings.charts / ASSISTANT,
                namespace=around.namespace,
                image=sources.image(IMAGE),
                parameters=settings.language_assistant,
                endpoint_secret=CERTIFICATE_SECRET,
                endpoint_digest=digest,
                log=around.log.values(ASSISTANT),
                **_size(plan.service(ASSISTANT)),
            ),
            options,
        )
        outputs["languageAssistantUrl"] = assistant.url
    return outputs


def _size(service: ServicePlan) -> dict[str, int]:
    return {
        "replicas": int(service.replicas),
        "cpu_millicores": int(service.cpu_millicores),
        "memory_mebibytes": int(service.memory_mebibytes),
    }
