"""What a run of Pulumi finds when it starts: plan, secrets, passphrase, configuration, and variables that name them."""

from __future__ import annotations

import json
import os
import secrets as random
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from portolan import paths
from portolan.errors import PortolanError
from portolan.files import write_atomically
from portolan.inventory.members import refuse_several
from portolan.platform import pki
from portolan.platform.pki import ServingCertificate
from portolan.platform.secrets import AccessKey, PlatformSecrets, generate_access_key, load_secrets, shared_key
from portolan.platform.toolchain import Toolchain, find
from portolan.sites.loader import load_site
from portolan.sites.schema import Site

PROJECT = "portolan"
METRICS_NAMES = ("metrics-server.kube-system.svc", "metrics-server.kube-system.svc.cluster.local")
ENDPOINT_NAMES = (
    "risk-scoring-predictor.risk-scoring.svc",
    "risk-scoring-predictor.risk-scoring.svc.cluster.local",
    "risk-scoring-predictor.risk-scoring",
    "localhost",
)
MODEL_NAMES = tuple(
    f"{name}.risk-scoring{suffix}"
    for name in (
        "hs-classification-predictor",
        "valuation-predictor",
        "xray-inspection-predictor",
        "language-assistant",
    )
    for suffix in ("", ".svc", ".svc.cluster.local")
)
WEBHOOK_NAMES = (
    "kserve-webhook-server-service.kserve.svc",
    "kserve-webhook-server-service.kserve.svc.cluster.local",
)


@dataclass(frozen=True)
class Places:
    """Where a site keeps what its platform needs."""

    state: Path

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def plan(self) -> Path:
        return self.state / "plan.json"

    @property
    def hosts(self) -> Path:
        return self.state / "hosts.json"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets" / "platform.json"

    @property
    def passphrase(self) -> Path:
        return self.state / "pulumi" / "passphrase"

    @property
    def configuration(self) -> Path:
        return self.state / "pulumi" / "stack.yaml"

    @property
    def cluster(self) -> Path:
        return self.state / "pulumi" / "cluster"

    @property
    def home(self) -> Path:
        return self.state / "pulumi" / "home"

    @property
    def backend(self) -> Path:
        return self.state / "pulumi" / "backend"


@dataclass(frozen=True)
class Prepared:
    """A site that Pulumi can be run for."""

    site: Site
    places: Places
    toolchain: Toolchain
    variables: dict[str, str]

    @property
    def stack(self) -> str:
        return self.site.name

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a child process."""
        return {**os.environ, **self.variables}


def prepare(site_path: Path, renew_certificates: bool = False) -> Prepared:
    """Make what a run needs and does not have yet, and return how to run it. Nothing that exists is replaced.

    With `renew_certificates`, certificates close to their end are made anew.
    """
    site = load_site(site_path)
    refuse_several(site, site_path)
    places = Places(paths.site_state(site.name))
    # In the cloud the stack makes its cluster itself.
    if site.hosts.provider != "cloud" and not places.kubeconfig.is_file():
        raise PortolanError(
            str(places.kubeconfig),
            f"the site {site.name} has no cluster yet",
            f"run: portolan up {site_path} (or put the kubeconfig of an existing cluster there)",
        )
    toolchain = find(os.environ.get("PATH", ""), os.environ.get("PULUMI_HOME"))
    for folder in (places.state / "pulumi", places.home, places.backend):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _plan(site, places)
    _passphrase(places)
    _secrets(site, places, renew_certificates)
    prepared = Prepared(site, places, toolchain, _variables(site, places, toolchain))
    _configuration(prepared)
    return prepared


def _variables(site: Site, places: Places, toolchain: Toolchain) -> dict[str, str]:
    before = [str(folder) for folder in toolchain.path]
    old = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry not in before]
    variables = {
        "PATH": os.pathsep.join([*before, str(toolchain.cli.parent), *old]),
        "KUBECONFIG": str(places.kubeconfig),
        "PORTOLAN_SITE": site.name,
        "PORTOLAN_PLAN": str(places.plan),
        "PORTOLAN_SECRETS": str(places.secrets),
        "PORTOLAN_HOSTS": str(places.hosts),
        "PORTOLAN_STATE": str(paths.state()),
        "PORTOLAN_CACHE": str(paths.cache()),
        "PULUMI_BACKEND_URL": os.environ.get("PULUMI_BACKEND_URL") or f"file://{places.backend}",
        "PULUMI_OPTION_CONFIG_FILE": str(places.configuration),
        # The embedded plugins know Kubernetes alone: a cloud's own provider is fetched by the engine.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": os.environ.get("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION")
        or ("false" if site.hosts.provider == "cloud" else "true"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_SKIP_CONFIRMATIONS": "true",
    }
    if not toolchain.official_plugins:
        variables["PULUMI_HOME"] = str(places.home)
    elif "PULUMI_HOME" in os.environ:
        variables["PULUMI_HOME"] = os.environ["PULUMI_HOME"]
    if "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE") or str(
            places.passphrase
        )
    return variables


def _plan(site: Site, places: Places) -> None:
    from portolan.requirements import load_requirements
    from portolan.sizing.engine import size

    text = size(site, load_requirements()).model_dump_json(indent=2)
    if not places.plan.is_file() or places.plan.read_text(encoding="utf-8") != text:
        write_atomically(places.plan, text)


def _passphrase(places: Places) -> None:
    if not places.passphrase.is_file():
        write_atomically(places.passphrase, random.token_urlsafe(32) + "\n")


def _secrets(site: Site, places: Places, renew: bool) -> None:
    bursts = site.locations is not None or site.member_of is not None
    carrier = carrier_key(site)
    now = pki.utc_now()
    if not places.secrets.is_file():
        authority = pki.make_authority(now)
        made = PlatformSecrets(
            object_store_administrator=generate_access_key(),
            object_store_risk_scoring=generate_access_key(),
            object_store_bursts=generate_access_key() if bursts else None,
            object_store_carrier=carrier,
            authority=authority,
            kserve_webhook=pki.issue(authority, WEBHOOK_NAMES, now),
        )
        made = renewed_certificates(made, endpoint_names(site, places))
        write_atomically(places.secrets, made.model_dump_json(indent=2))
    elif renew or bursts:
        known = load_secrets(places.secrets)
        renewed = renewed_certificates(known, endpoint_names(site, places)) if renew else known
        if bursts and known.object_store_bursts is None:  # the site got its locations later
            renewed = renewed.model_copy(update={"object_store_bursts": generate_access_key()})
        if carrier is not None:
            renewed = renewed.model_copy(update={"object_store_carrier": carrier})
        if renewed != known:
            write_atomically(places.secrets, renewed.model_dump_json(indent=2))


def carrier_key(site: Site) -> AccessKey | None:
    """Return the key by which data are carried between the clusters of a site; None for a site of one cluster."""
    if site.member_of is None:
        return None
    return shared_key(paths.site_state(site.member_of.site) / "secrets" / "carrier.json")


def endpoint_names(site: Site, places: Places) -> tuple[str, ...]:
    """Return the names and addresses under which the risk score is reached: inside the cluster, and on its hosts."""
    hosts = {host.name: host.address for host in site.hosts.nodes}
    if places.hosts.is_file():
        document = json.loads(places.hosts.read_text(encoding="utf-8"))
        hosts |= {host["name"]: str(host["address"]) for host in document["hosts"]}
    addresses = sorted({str(address) for address in hosts.values() if address})
    return (*ENDPOINT_NAMES, *sorted(hosts), *addresses, "127.0.0.1")


def renewed_certificates(known: PlatformSecrets, endpoint: tuple[str, ...] = ENDPOINT_NAMES) -> PlatformSecrets:
    """Return the secrets with certificates that are missing, close to their end or for other names made anew.

    The same value where there is none.
    """
    now = pki.utc_now()
    authority = known.authority
    if pki.expires_soon(authority.certificate, now):
        authority = pki.make_authority(now)

    def good(certificate: ServingCertificate | None, names: tuple[str, ...]) -> ServingCertificate:
        whole = certificate is not None and authority == known.authority and certificate.names == names
        if certificate is None or not whole or pki.expires_soon(certificate.certificate, now):
            return pki.issue(authority, names, now)
        return certificate

    return known.model_copy(
        update={
            "authority": authority,
            "kserve_webhook": good(known.kserve_webhook, WEBHOOK_NAMES),
            "metrics_server": good(known.metrics_server, METRICS_NAMES),
            "endpoint": good(known.endpoint, endpoint),
            "models": good(known.models, MODEL_NAMES),
            "audit_key": known.audit_key or random.token_urlsafe(32),
            "object_store_decisions": known.object_store_decisions or generate_access_key(),
        }
    )


def _configuration(prepared: Prepared) -> None:
    """Write the stack's configuration file: what the repository says, and the salt of this site's passphrase.

    What `pulumi config set` put there since stays.
    """
    yaml = YAML()
    path = prepared.places.configuration
    known: dict[str, Any] = (yaml.load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}
    document = dict(known)
    if "encryptionsalt" not in known and "secretsprovider" not in known:
        document.update(_new_stack(prepared))
    chosen = paths.REPOSITORY / "stacks" / f"Pulumi.{prepared.stack}.yaml"
    if not chosen.is_file():
        chosen = paths.REPOSITORY / "stacks" / "Pulumi.sandbox.yaml"
    shipped: dict[str, Any] = yaml.load(chosen.read_text(encoding="utf-8")) or {}
    document["config"] = {**shipped.get("config", {}), **known.get("config", {})}
    if document != known:
        with tempfile.SpooledTemporaryFile(mode="w+") as stream:
            yaml.dump(document, stream)
            stream.seek(0)
            write_atomically(path, stream.read())


def _new_stack(prepared: Prepared) -> dict[str, Any]:
    """Create the stack (or meet the one that is there) and return what Pulumi wants to remember of its encryption.

    Pulumi writes that beside the project, which for us is the repository: so it is done in a project of one file.
    """
    with tempfile.TemporaryDirectory(prefix="portolan-stack-") as folder:
        directory = Path(folder)
        (directory / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n", encoding="utf-8")
        environment = prepared.environment()
        environment.pop("PULUMI_OPTION_CONFIG_FILE", None)
        command = [str(prepared.toolchain.cli), "stack", "init", prepared.stack, "--non-interactive", "--no-select"]
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0 and "already exists" not in done.stderr:
            raise PortolanError(
                f"stack {prepared.stack}",
                done.stderr.strip().removeprefix("error: ") or f"pulumi stack init ended with {done.returncode}",
                "check PULUMI_BACKEND_URL and its credentials",
            )
        written = directory / f"Pulumi.{prepared.stack}.yaml"
        if not written.is_file():
            # The stack is there, but its salt is not: Pulumi finds it in the stack's state.
            return {}
        return dict(YAML(typ="safe").load(written.read_text(encoding="utf-8")) or {})
