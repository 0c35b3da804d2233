"""The language assistant: the kit's own chart `language-assistant`, and what it keeps of what was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from portolan.errors import PortolanError
from portolan.model import Model
from stacks.platform.capability import Capability
from stacks.platform.helm import render
from stacks.platform.objects import create

NAME = "language-assistant"


class Texts(Model):
    """Where the administration's texts lie; nowhere: the samples of the image."""

    claim: str = ""
    config_map: str = ""
    questions: str = ""


class Upstream(Model):
    """A language model elsewhere; no address: there is none."""

    url: str = ""
    model: str = ""
    tools: bool = False
    seconds: float = 60.0
    authority_secret: str = ""
    audience: str = ""


class Effects(Model):
    """What is sent the acts that officers confirm; no address: nothing is sent."""

    url: str = ""
    authority_secret: str = ""
    audience: str = ""


class LanguageAssistantParameters(Model):
    """What a person decides about the assistant: the stack's configuration `portolan:languageAssistant`."""

    texts: Texts = Texts()
    upstream: Upstream = Upstream()
    effects: Effects = Effects()
    state_claim: str = ""
    askers: tuple[str, ...] = ()
    officers: tuple[str, ...] = ()


@dataclass(frozen=True)
class LanguageAssistantArgs:
    """Image, what a person decides, the secret it speaks TLS by, and size."""

    provider: pulumi.ProviderResource
    kubernetes_version: str
    chart: Path
    namespace: str
    image: str
    parameters: LanguageAssistantParameters
    endpoint_secret: str
    endpoint_digest: str
    log: Mapping[str, Any]  # what `decision_log` gives the chart
    replicas: int
    cpu_millicores: int
    memory_mebibytes: int


class LanguageAssistant(Capability):
    """The assistant. Output `url`: where clients of the OpenAI protocol ask it, inside the cluster."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: LanguageAssistantArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("LanguageAssistant", name, opts)
        self.objects = create(
            render(args.chart, NAME, args.namespace, chart_values(args), args.kubernetes_version, args.provider),
            capability=self,
        )
        self.url = pulumi.Output.from_input(f"https://{NAME}.{args.namespace}/v1")
        self.register_outputs({"url": self.url})


def chart_values(args: LanguageAssistantArgs) -> dict[str, Any]:
    """Return the chart's values. Raises PortolanError where several replicas have no place that they share."""
    chosen = args.parameters
    if args.replicas > 1 and not chosen.state_claim:
        raise PortolanError(
            "portolan:languageAssistant",
            f"the plan has {args.replicas} replicas, and no state_claim is named for their proposals",
            "name a PersistentVolumeClaim of access mode ReadWriteMany in it",
        )
    return {
        "image": args.image,
        "texts": {
            "claim": chosen.texts.claim,
            "configMap": chosen.texts.config_map,
            "questions": chosen.texts.questions,
        },
        "upstream": {
            "url": chosen.upstream.url,
            "model": chosen.upstream.model,
            "tools": chosen.upstream.tools,
            "seconds": chosen.upstream.seconds,
            "authoritySecret": chosen.upstream.authority_secret,
            "audience": chosen.upstream.audience,
        },
        "effects": {
            "url": chosen.effects.url,
            "authoritySecret": chosen.effects.authority_secret,
            "audience": chosen.effects.audience,
        },
        "state": {"claim": chosen.state_claim},
        "groups": {"askers": list(chosen.askers), "officers": list(chosen.officers)},
        "endpointSecret": args.endpoint_secret,
        "endpointDigest": args.endpoint_digest,
        "audience": NAME,
        **args.log,
        "replicas": args.replicas,
        "replicasMost": args.replicas,
        "resources": {"cpuMillicores": args.cpu_millicores, "memoryMebibytes": args.memory_mebibytes},
    }
