"""How a caller reaches the risk score: the endpoint's authority, and a token that the cluster makes out for an hour."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portolan import paths
from portolan.errors import PortolanError

NAMESPACE = "risk-scoring"
CALLER = "risk-scoring-caller"
AUDIENCE = "risk-scoring"
LIFETIME_SECONDS = 3600
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Access:
    """Who signed the endpoint's certificate (a PEM file), and the caller's token."""

    authority: Path
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Return what a request says about its caller."""
        return {"Authorization": f"Bearer {self.token}"}

    def trust(self) -> ssl.SSLContext:
        """Return what an HTTPS client checks the endpoint's certificate with."""
        return ssl.create_default_context(cafile=str(self.authority))


def authority_file(site: str) -> Path:
    """Return the certificate of the site's authority, written where it is not there yet.

    Raises PortolanError where the site has no platform.
    """
    from portolan.files import write_atomically
    from portolan.platform.secrets import load_secrets

    state = paths.site_state(site)
    certificate = load_secrets(state / "secrets" / "platform.json").authority.certificate
    path = state / "authority.pem"
    if not path.is_file() or path.read_text(encoding="ascii") != certificate:
        write_atomically(path, certificate)
    return path


def caller_token(api: Any) -> str:
    """Return a token for the service account that may ask for scores; `api` is a Kubernetes API client.

    Raises PortolanError where the cluster makes out none.
    """
    from kubernetes import client

    body = {"spec": {"audiences": [AUDIENCE], "expirationSeconds": LIFETIME_SECONDS}}
    try:
        made = client.CoreV1Api(api).create_namespaced_service_account_token(
            CALLER, NAMESPACE, body, _request_timeout=TIMEOUT_SECONDS
        )
    except client.ApiException as error:
        raise PortolanError(
            f"service account {NAMESPACE}/{CALLER}", f"no token: {error.reason}", "run: portolan platform up SITE"
        ) from None
    return str(made.status.token)


def access(site: str, api: Any) -> Access:
    """Return how the site's endpoint is called. Raises PortolanError where platform or cluster are not there."""
    return Access(authority_file(site), caller_token(api))


def access_of(site: str) -> Access:
    """Return how the site's endpoint is called, by the site's own kubeconfig. Raises PortolanError."""
    from portolan.conformity.reach import api_client

    return access(site, api_client(paths.site_state(site) / "kubeconfig"))
