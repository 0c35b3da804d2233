"""Secrets that the platform needs and nobody chooses: generated once, kept in the site's state with mode 0600.

The program marks them as Pulumi secrets, so the stack's state holds them encrypted only.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from pydantic import ValidationError

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.platform.pki import Authority, ServingCertificate


class AccessKey(Model):
    """An S3 identity's key pair."""

    access_key: str
    secret_key: str


class PlatformSecrets(Model):
    """Everything generated for one site."""

    object_store_administrator: AccessKey
    object_store_risk_scoring: AccessKey
    object_store_decisions: AccessKey | None = None  # who ships the logs of decisions; older secrets have none yet
    object_store_bursts: AccessKey | None = None  # of a site with several locations
    object_store_carrier: AccessKey | None = None  # who carries anonymised data to the cloud's own cluster
    authority: Authority
    kserve_webhook: ServingCertificate
    metrics_server: ServingCertificate | None = None  # secrets of before have none, until the platform is put up again
    endpoint: ServingCertificate | None = None
    models: ServingCertificate | None = None  # of the models beside risk scoring: one for all of them
    audit_key: str = ""

    def required(self, name: str) -> ServingCertificate:
        """Return a certificate by its field's name. Raises PortolanError where these secrets are too old to have it."""
        found = getattr(self, name)
        if not isinstance(found, ServingCertificate):
            raise PortolanError(
                "the platform's secrets", f"they hold no certificate {name!r}", "run: portolan platform up SITE"
            )
        return found

    @property
    def decisions_key(self) -> AccessKey:
        """The key of the logs' bucket. Raises PortolanError where these secrets are too old to have it."""
        if self.object_store_decisions is None:
            raise PortolanError(
                "the platform's secrets", "they hold no key for the logs", "run: portolan platform up SITE"
            )
        return self.object_store_decisions


def generate_access_key() -> AccessKey:
    """Return a fresh key pair: 20 and 40 characters, as S3 clients expect."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return AccessKey(
        access_key="".join(secrets.choice(alphabet) for _ in range(20)),
        secret_key=secrets.token_urlsafe(30),
    )


def shared_key(path: Path) -> AccessKey:
    """Return the key that all clusters of a site share, made where it is not there yet.

    Raises PortolanError where the file is damaged.
    """
    from portolan.files import write_atomically

    if not path.is_file():
        write_atomically(path, generate_access_key().model_dump_json())
    try:
        return AccessKey.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise PortolanError(
            str(path), "not a key of the object store", "remove it and run `portolan platform up SITE`: one is made"
        ) from error


def load_secrets(path: Path) -> PlatformSecrets:
    """Read the secrets file.

    Raises PortolanError where it is missing or damaged.
    """
    try:
        return PlatformSecrets.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise PortolanError(
            str(path),
            f"cannot read the platform's secrets ({type(error).__name__})",
            "restore the file from a backup, or remove it and run `portolan platform up SITE`: new keys are made",
        ) from error
