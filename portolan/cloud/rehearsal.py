"""The Pulumi program of a site against mocks: what it would declare, while nobody is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from portolan import paths
from portolan.cloud.resources import Resource
from portolan.errors import PortolanError
from portolan.sizing.plan import Plan

KUBERNETES_MINOR = "v1.34"  # for a picture; a deployment takes the version of the bundle's lock
SERVING_PORT, NAMESPACE = 8080, "risk-scoring"


def rehearse(plan: Plan, platform: bool = False) -> Any:
    """Return what the site's program declares (`stacks.rehearsal.Rehearsal`): the rented part, or the platform too.

    Raises PortolanError where the plan rents nothing and no platform is wanted, or where the platform's charts are
    not in the bundle yet.
    """
    if plan.cloud is None and not platform:
        raise PortolanError(plan.site, "the plan rents nothing from a cloud", "use a site of topology cloud or hybrid")
    if str(paths.REPOSITORY) not in sys.path:
        sys.path.insert(0, str(paths.REPOSITORY))
    try:
        rehearsal = import_module("stacks.rehearsal")
    except ImportError as error:
        raise PortolanError(
            "the cloud's packages", f"cannot be imported: {error}", "run: make up, or: pip install 'portolan[cloud]'"
        ) from error
    settings, render = _platform(plan) if platform else (None, None)

    def program() -> None:
        # By name: the program is no part of this package, which can be installed without it.
        services, clouds = import_module("stacks.clusters.services"), import_module("stacks.clusters.rented")
        on_site = plan.host_provider != "cloud"
        if settings is not None and on_site:
            existing = import_module("stacks.clusters.existing")
            import_module("stacks.program").build(settings, existing.connect(settings))
        if plan.cloud is None:
            return
        args = clouds.arguments(plan, KUBERNETES_MINOR)
        rented = clouds.rent(args)
        cluster = services.connect(rented, args)
        if not on_site:
            if settings is not None:
                import_module("stacks.program").build(settings, cluster)
            services.expose(cluster, rented.runtime, NAMESPACE, "risk-scoring", SERVING_PORT, [])

    return rehearsal.rehearse(program, plan.site, render)


def declared(plan: Plan) -> list[Resource]:
    """Return the resources of the rented part, as rules and costs read them."""
    return [one.rule for one in rehearse(plan).resources if not one.component]


def _platform(plan: Plan) -> tuple[Any, Any]:
    """Return the platform's inputs with keys that are made for this run and thrown away."""
    from portolan.bundle.view import Bundle
    from portolan.platform import pki
    from portolan.platform.environment import WEBHOOK_NAMES
    from portolan.platform.secrets import PlatformSecrets, generate_access_key
    from portolan.platform.sources import Sources

    inputs = import_module("stacks.settings")
    bundle = Bundle.open(paths.cache())
    now = pki.utc_now()
    authority = pki.make_authority(now)
    secrets = PlatformSecrets(
        object_store_administrator=generate_access_key(),
        object_store_risk_scoring=generate_access_key(),
        authority=authority,
        kserve_webhook=pki.issue(authority, WEBHOOK_NAMES, now),
    )
    settings = inputs.Settings(
        plan=plan,
        sources=Sources(bundle),
        secrets=secrets,
        kubeconfig=Path(),
        pod_security="restricted",
        inference_port=30080,
        training=inputs.TrainingParameters(),
    )
    helm = bundle.binary("helm")
    return settings, lambda options: _render(helm, options)


def _render(helm: Path, options: dict[str, Any]) -> list[Any]:
    from ruamel.yaml import YAML

    command = [
        *(str(helm), "template", options["release_name"], options["path"]),
        *("--namespace", options["namespace"], "--kube-version", options["kube_version"], "--skip-tests"),
        *("--include-crds", "--values", "-"),
    ]
    done = subprocess.run(
        command, input=json.dumps(options["values"]), capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise PortolanError(options["path"], done.stderr.strip(), "mend the chart")
    return [document for document in YAML(typ="safe").load_all(done.stdout) if document]
