"""The provider's settings: from Pulumi's configuration, else the environment, else the official provider's defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from portolan.embedded.kubernetes.properties import UNKNOWN, reveal
from portolan.model import Model

# Setting, environment variable, default: those of the official provider.
SWITCHES: dict[str, tuple[str, bool]] = {
    "deleteUnreachable": ("PULUMI_K8S_DELETE_UNREACHABLE", False),
    "skipUpdateUnreachable": ("PULUMI_K8S_SKIP_UPDATE_UNREACHABLE", False),
    "enableServerSideApply": ("PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", True),
    "enablePatchForce": ("PULUMI_K8S_ENABLE_PATCH_FORCE", False),
    "upsertExistingObjects": ("PULUMI_K8S_UPSERT_EXISTING_OBJECTS", False),
    "enableConfigMapMutable": ("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", False),
    "enableSecretMutable": ("PULUMI_K8S_ENABLE_SECRET_MUTABLE", False),
    "suppressDeprecationWarnings": ("PULUMI_K8S_SUPPRESS_DEPRECATION_WARNINGS", False),
    "suppressHelmHookWarnings": ("PULUMI_K8S_SUPPRESS_HELM_HOOK_WARNINGS", False),
}
UNSUPPORTED = ("renderYamlToDirectory", "alwaysRender")
TRUE_WORDS = frozenset({"true", "True", "TRUE", "1", "t", "T"})


class HelmSettings(Model):
    """Where Helm keeps its things; None leaves it to Helm."""

    driver: str | None = None
    plugins_path: str | None = Field(default=None, alias="pluginsPath")
    registry_config_path: str | None = Field(default=None, alias="registryConfigPath")
    repository_config_path: str | None = Field(default=None, alias="repositoryConfigPath")
    repository_cache: str | None = Field(default=None, alias="repositoryCache")


class Settings(Model):
    """What the provider was configured with."""

    kubeconfig: str | None = None
    kubeconfig_known: bool = True
    context: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    timeout_seconds: float | None = None
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    server_side_apply: bool = True
    patch_force: bool = False
    upsert: bool = False
    config_map_mutable: bool = False
    secret_mutable: bool = False
    suppress_deprecation_warnings: bool = False
    suppress_helm_hook_warnings: bool = False
    helm: HelmSettings = HelmSettings()


def _decoded(value: Any) -> Any:
    """Return a setting that the SDK may have sent as JSON inside a string."""
    value = reveal(value)
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def settings(arguments: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that `arguments` (Pulumi's names) and the environment amount to."""

    def text(name: str) -> str | None:
        value = reveal(arguments.get(name))
        return None if value in (None, "", UNKNOWN) else str(value)

    def switch(name: str) -> bool:
        variable, default = SWITCHES[name]
        value = reveal(arguments.get(name))
        if value in (None, "", UNKNOWN):
            value = environment.get(variable, default)
        return value if isinstance(value, bool) else str(value) in TRUE_WORDS

    kubeconfig = reveal(arguments.get("kubeconfig"))
    client = _decoded(arguments.get("kubeClientSettings"))
    timeout = client.get("timeout") if isinstance(client, dict) else None
    helm = _decoded(arguments.get("helmReleaseSettings"))
    known = HelmSettings.model_fields
    return Settings(
        kubeconfig=json.dumps(kubeconfig) if isinstance(kubeconfig, dict) else text("kubeconfig"),
        kubeconfig_known=UNKNOWN not in (kubeconfig, arguments.get("context"), arguments.get("cluster")),
        context=text("context"),
        cluster=text("cluster"),
        namespace=text("namespace"),
        timeout_seconds=float(timeout or environment.get("PULUMI_K8S_CLIENT_TIMEOUT") or 0) or None,
        delete_unreachable=switch("deleteUnreachable"),
        skip_update_unreachable=switch("skipUpdateUnreachable"),
        server_side_apply=switch("enableServerSideApply"),
        patch_force=switch("enablePatchForce"),
        upsert=switch("upsertExistingObjects"),
        config_map_mutable=switch("enableConfigMapMutable"),
        secret_mutable=switch("enableSecretMutable"),
        suppress_deprecation_warnings=switch("suppressDeprecationWarnings"),
        suppress_helm_hook_warnings=switch("suppressHelmHookWarnings"),
        helm=HelmSettings.model_validate(
            {name: helm[name] for field in known.values() for name in [field.alias or "driver"] if name in helm}
            if isinstance(helm, dict)
            else {}
        ),
    )
