"""One answer for a declaration: the kit's own chart `declaration-router`, which asks the models that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from stacks.platform.capability import Capability
from stacks.platform.helm import render
from stacks.platform.objects import create

NAME = "declaration-router"


@dataclass(frozen=True)
class DeclarationRouterArgs:
    """Image, where the models are asked and by whose leave, how long an answer may take, and size."""

    provider: pulumi.ProviderResource
    kubernetes_version: str
    chart: Path
    namespace: str
    image: str
    parts: Mapping[str, str]
    budget_seconds: float
    replicas: int
    cpu_millicores: int
    memory_mebibytes: int
    authority_secret: str
    audience: str
    caller_roles: Sequence[str]


class DeclarationRouter(Capability):
    """The router. Output `url`: where it is asked, inside the cluster."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: DeclarationRouterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("DeclarationRouter", name, opts)
        documents = render(args.chart, NAME, args.namespace, chart_values(args), args.kubernetes_version, args.provider)
        self.objects = create(documents, capability=self)
        self.url = pulumi.Output.from_input(f"http://{NAME}.{args.namespace}/v1/declarations:assess")
        self.register_outputs({"url": self.url})


def chart_values(args: DeclarationRouterArgs) -> dict[str, Any]:
    """Return the chart's values."""
    return {
        "image": args.image,
        "parts": dict(args.parts),
        "authoritySecret": args.authority_secret,
        "audience": args.audience,
        "callerRoles": list(args.caller_roles),
        "budgetSeconds": args.budget_seconds,
        "replicas": args.replicas,
        "resources": {"cpuMillicores": args.cpu_millicores, "memoryMebibytes": args.memory_mebibytes},
    }
