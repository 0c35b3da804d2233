"""Which clusters a site has, and what stands on which."""

from __future__ import annotations

import pulumi

from stacks import bursting
from stacks.clusters import existing, services
from stacks.clusters.rented import arguments, rent
from stacks.program import build
from stacks.settings import Settings
from stacks.shared import RISK

SERVING_PORT = 8080  # of the container that answers, charts/risk-scoring


def declare(settings: Settings) -> None:
    """Declare the site: the rented cluster where the plan rents, and the platform on the cluster that carries it.

    A hybrid site keeps its platform on its own hosts; its rented nodes are declared where the stack's configuration
    says so (`portolan:rent`).
    """
    in_the_cloud = settings.plan.host_provider == "cloud"
    if not in_the_cloud:
        placement = settings.plan.placement
        only_bursts = placement is not None and placement.here_kind == "cloud"
        (bursting.build if only_bursts else build)(settings, existing.connect(settings))
        if not (settings.rent and settings.plan.cloud):
            return
    args = arguments(settings.plan, settings.kubernetes_version)
    rented = rent(args)
    cluster = services.connect(rented, args)
    pulumi.export("cloudEndpoint", rented.endpoint)
    pulumi.export("kubeconfig", rented.kubeconfig)
    if in_the_cloud:
        build(settings, cluster)
        pulumi.export(
            "riskScoringAddress", services.expose(cluster, rented.runtime, RISK, "risk-scoring", SERVING_PORT, [])
        )
