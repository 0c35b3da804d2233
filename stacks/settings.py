"""Everything that the program reads from outside, gathered once: plan, versions, secrets, stack configuration.

Nothing here decides a size or a version: sizes come from the plan, versions and images from the bundle's lock.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.platform.secrets import PlatformSecrets, load_secrets
from portolan.platform.sources import Sources
from portolan.sizing.plan import Plan
from stacks.platform import accelerated
from stacks.platform.language_assistant import LanguageAssistantParameters

REPOSITORY = Path(__file__).resolve().parent.parent


class TrainingParameters(Model):
    """What a person may change about the training without touching its image."""

    backoff_limit: int = 1
    deadline_seconds: int = 1800
    keep_cluster_seconds: int = 0  # what it holds, the service may need


@dataclass(frozen=True)
class Settings:
    """The program's inputs."""

    plan: Plan
    sources: Sources
    secrets: PlatformSecrets
    kubeconfig: Path
    pod_security: str
    inference_port: int
    training: TrainingParameters
    router_budget_seconds: float = 1.0
    language_assistant: LanguageAssistantParameters = field(default_factory=LanguageAssistantParameters)
    accelerated: tuple[str, ...] = ()  # services whose image was built for GPUs
    addresses: dict[str, str] = field(default_factory=dict)  # of hosts, by name
    charts: Path = REPOSITORY / "charts"
    programs: Path = REPOSITORY / "services" / "bursts"
    rent: bool = False  # a hybrid site's nodes in the cloud are declared too

    @property
    def kubernetes_version(self) -> str:
        """Return the version that the bundle's lock names."""
        return self.sources.kubernetes_version()


def load() -> Settings:
    """Read the environment that `portolan env SITE` prints, and the stack's configuration.

    Raises PortolanError where a variable or file is missing.
    """
    config = pulumi.Config("portolan")
    plan = _file("PORTOLAN_PLAN")
    try:
        value = Plan.model_validate_json(plan.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PortolanError(str(plan), f"not a plan: {error}", "write it again: portolan size SITE -o json") from error
    pod_security = config.get("podSecurity") or "restricted"
    if pod_security not in ("restricted", "baseline", "privileged"):
        raise PortolanError(
            "portolan:podSecurity", f"unknown level {pod_security!r}", "choose restricted, baseline or privileged"
        )
    return Settings(
        plan=value,
        sources=Sources.open(config.get("registry") or ""),
        secrets=load_secrets(_file("PORTOLAN_SECRETS")),
        # A cluster in the cloud is made by the stack itself.
        kubeconfig=Path() if value.host_provider == "cloud" else _file("KUBECONFIG"),
        pod_security=pod_security,
        inference_port=config.get_int("inferencePort") or 30080,
        training=TrainingParameters.model_validate(json.loads(config.get("training") or "{}")),
        router_budget_seconds=config.get_float("routerBudgetSeconds") or 1.0,
        language_assistant=LanguageAssistantParameters.model_validate(
            json.loads(config.get("languageAssistant") or "{}")
        ),
        accelerated=accelerated.checked(json.loads(config.get("accelerated") or "[]")),
        addresses=_addresses(value),
        rent=config.get_bool("rent") or False,
    )


def _addresses(plan: Plan) -> dict[str, str]:
    """Return the hosts' addresses: the plan's, or those that the sandbox gave."""
    known = {host.name: host.address for host in plan.hosts if host.address}
    hosts = Path(os.environ.get("PORTOLAN_HOSTS", ""))
    if hosts.is_file():
        document = json.loads(hosts.read_text(encoding="utf-8"))
        known = {host["name"]: str(host["address"]) for host in document["hosts"]} | known
    return known


def _file(variable: str) -> Path:
    value = os.environ.get(variable)
    remedy = 'run: eval "$(portolan env SITE)", or use `portolan platform up SITE`'
    if not value:
        raise PortolanError(variable, "is not set", remedy)
    path = Path(value)
    if not path.is_file():
        raise PortolanError(variable, f"no such file: {path}", remedy)
    return path
