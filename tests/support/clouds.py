"""The rented stacks under Pulumi's mocks, as several tests look at them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pulumi

from portolan.requirements import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.engine import size
from stacks.clusters import services
from stacks.clusters.rented import arguments, rent
from stacks.rehearsal import rehearse

REPOSITORY = Path(__file__).resolve().parents[2]
PROVIDERS = ("aws", "azure", "gcp")
TOKENS = {"aws": "aws", "azure": "azure-native", "gcp": "gcp"}


@cache
def plan_of(site):
    return size(load_site(REPOSITORY / "sites" / f"{site}.yaml"), load_requirements())


def declared(plan):
    """Return what the program declares for the rented part of a plan."""
    found = {}

    def program():
        args = arguments(plan, "v1.36.3")
        rented = rent(args)
        cluster = services.connect(rented, args)
        address = services.expose(cluster, rented.runtime, "risk-scoring", "risk-scoring", 8080, [])
        rented.kubeconfig.apply(lambda one: found.update(kubeconfig=one))
        address.apply(lambda one: found.update(address=one))
        pulumi.Output.from_input(rented.kubeconfig.is_secret()).apply(lambda one: found.update(secret=one))

    made = rehearse(program, plan.site)
    made.outputs.update(found)
    return made


@cache
def stack_of(provider):
    return declared(plan_of(provider))
