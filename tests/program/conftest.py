"""The program under Pulumi's mocks: every resource it registers, with real charts rendered by the bundle's helm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from portolan import paths
from portolan.bundle.view import Bundle
from portolan.platform import pki
from portolan.platform.environment import WEBHOOK_NAMES, renewed_certificates
from portolan.platform.secrets import PlatformSecrets, generate_access_key
from portolan.requirements import load_requirements
from portolan.sites.loader import load_site
from portolan.sizing.engine import size

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))


@dataclass
class Registered:
    """One resource as the engine was asked for it."""

    kind: str
    name: str
    inputs: dict[str, Any]


@dataclass
class Recorder(pulumi.runtime.Mocks):
    """Notes what is registered; `helm:template` renders for real."""

    helm: Path
    resources: list[Registered] = field(default_factory=list)
    rendered: list[dict[str, Any]] = field(default_factory=list)

    def new_resource(self, args):
        self.resources.append(Registered(args.typ, args.name, dict(args.inputs)))
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args):
        assert args.token == "kubernetes:helm:template", args.token
        options = json.loads(args.args["jsonOpts"])
        self.rendered.append(options)
        return {"result": render(self.helm, options)}

    def of(self, kind):
        return [one for one in self.resources if one.kind == kind]

    def one(self, kind, name):
        found = [one for one in self.of(kind) if one.inputs.get("metadata", {}).get("name") == name]
        assert len(found) == 1, f"{kind} {name}: {len(found)} registered"
        return found[0].inputs


def render(helm, options):
    """Run `helm template` as the provider does."""
    import subprocess

    command = [
        *(str(helm), "template", options["release_name"], options["path"]),
        *("--namespace", options["namespace"], "--kube-version", options["kube_version"], "--skip-tests"),
        *("--include-crds", "--values", "-"),
    ]
    done = subprocess.run(
        command, input=json.dumps(options["values"]), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document]


@pytest.fixture(scope="session")
def bundle():
    return Bundle.open(paths.cache())


@pytest.fixture(scope="session")
def plan():
    return size(load_site(REPOSITORY / "sites" / "sandbox.yaml"), load_requirements())


@pytest.fixture(scope="session")
def secrets():
    now = pki.utc_now()
    authority = pki.make_authority(now)
    made = PlatformSecrets(
        object_store_administrator=generate_access_key(),
        object_store_risk_scoring=generate_access_key(),
        authority=authority,
        kserve_webhook=pki.issue(authority, WEBHOOK_NAMES, now),
    )
    return renewed_certificates(made)


@pytest.fixture(scope="session")
def settings(plan, secrets, bundle):
    from portolan.platform.sources import Sources
    from stacks.settings import Settings, TrainingParameters

    return Settings(
        plan=plan,
        sources=Sources(bundle),
        secrets=secrets,
        kubeconfig=Path("/nowhere/kubeconfig"),
        pod_security="restricted",
        inference_port=30080,
        training=TrainingParameters(),
        addresses={"worker-1": "192.0.2.11", "worker-2": "192.0.2.12"},
    )


def run_program(settings, helm):
    """Run the program once and return everything that it registered."""
    from stacks.entry import declare

    recorder = Recorder(helm)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(recorder, project="portolan", stack="sandbox")

    with contextlib.closing(loop):
        loop.run_until_complete(pulumi.runtime.stack.run_pulumi_func(lambda: declare(settings)))
    return recorder


@pytest.fixture(scope="session")
def program_of(bundle):
    """Run the program with other settings."""
    return lambda settings: run_program(settings, bundle.binary("helm"))


@pytest.fixture(scope="session")
def registered(settings, bundle):
    return run_program(settings, bundle.binary("helm"))
