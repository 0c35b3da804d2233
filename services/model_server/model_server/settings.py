"""What the environment says about a server: limits, times, where the log goes, how it is reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from model_server import shipping
from model_server.audit import KEY_BYTES_LEAST, SEGMENT_BYTES
from model_server.authentication import POD
from model_server.bodies import Limits
from model_server.errors import ServiceError
from model_server.storage import Folder


@dataclass(frozen=True)
class AuditSettings:
    """Where the log of decisions lies, the key that masks identities, and whether each request has its line too.

    `store` is where its segments are shipped to, every `ship_seconds`; None: nowhere.
    """

    folder: Path
    key: bytes
    requests: bool = False
    segment_bytes: int = SEGMENT_BYTES
    store: str | None = None
    ship_seconds: int = 2


@dataclass(frozen=True)
class TlsSettings:
    """A certificate and its key, as a Kubernetes secret of type kubernetes.io/tls holds them."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class AccessSettings:
    """Where tokens are reviewed, and what they must be made out for."""

    host: str
    port: int
    audience: str
    namespace: str
    account: Path  # folder of the pod's own token, namespace and authority


@dataclass(frozen=True)
class Settings:
    """The environment, checked."""

    workers: int
    limits: Limits
    drain_seconds: int
    stop_seconds: int
    audit: AuditSettings | None
    tls: TlsSettings | None
    access: AccessSettings | None
    trusted_key: bytes | None
    poll_seconds: int


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings. Raises ServiceError that names the variable in fault."""

    def whole(name: str, default: int, least: int, most: int) -> int:
        text = environment.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise ServiceError(name, f"{text!r} is no whole number from {least} to {most}", "correct or unset it")
        return int(text)

    return Settings(
        workers=whole("MODEL_SERVER_WORKERS", 1, 1, 64),
        limits=Limits(
            whole("MODEL_SERVER_BODY_LIMIT_BYTES", Limits.body_bytes, 1024, 1 << 30),
            whole("MODEL_SERVER_ROWS_LIMIT", Limits.rows, 1, 1_000_000),
            whole("MODEL_SERVER_READ_SECONDS", int(Limits.read_seconds), 1, 3600),
            whole("MODEL_SERVER_ANSWER_SECONDS", int(Limits.answer_seconds), 1, 3600),
        ),
        drain_seconds=whole("MODEL_SERVER_DRAIN_SECONDS", 5, 0, 600),
        stop_seconds=whole("MODEL_SERVER_STOP_SECONDS", 20, 1, 600),
        audit=_audit(environment, whole),
        tls=_tls(environment),
        access=_access(environment),
        trusted_key=_trusted(environment),
        poll_seconds=whole("MODEL_SERVER_POLL_SECONDS", 1, 1, 3600),
    )


def _audit(environment: Mapping[str, str], whole: Callable[[str, int, int, int], int]) -> AuditSettings | None:
    folder, key = environment.get("MODEL_SERVER_AUDIT_DIR"), environment.get("MODEL_SERVER_AUDIT_KEY_FILE")
    if not folder:
        return None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ServiceError("MODEL_SERVER_AUDIT_DIR", f"{folder} cannot be written", "name a writable folder")
    if not key:
        raise ServiceError("MODEL_SERVER_AUDIT_KEY_FILE", "missing", "name a file of random bytes")
    secret = Folder(Path(key).parent).read(Path(key).name)
    if len(secret) < KEY_BYTES_LEAST:
        raise ServiceError(key, f"fewer than {KEY_BYTES_LEAST} bytes", "make a longer random key")
    requests = environment.get("MODEL_SERVER_AUDIT_REQUESTS", "false")
    if requests not in ("true", "false"):
        raise ServiceError("MODEL_SERVER_AUDIT_REQUESTS", f"{requests!r} is neither true nor false", "correct it")
    store = environment.get("MODEL_SERVER_AUDIT_STORE")
    return AuditSettings(
        Path(folder),
        secret,
        requests == "true",
        whole("MODEL_SERVER_AUDIT_SEGMENT_BYTES", SEGMENT_BYTES, 1024, 1 << 30),
        shipping.checked(store) if store else None,
        whole("MODEL_SERVER_AUDIT_SHIP_SECONDS", AuditSettings.ship_seconds, 1, 3600),
    )


def _trusted(environment: Mapping[str, str]) -> bytes | None:
    path = environment.get("MODEL_SERVER_TRUSTED_KEY_FILE")
    return Folder(Path(path).parent).read(Path(path).name) if path else None


def _tls(environment: Mapping[str, str]) -> TlsSettings | None:
    folder = environment.get("MODEL_SERVER_TLS_DIR")
    if not folder:
        return None
    found = TlsSettings(Path(folder) / "tls.crt", Path(folder) / "tls.key")
    for path in (found.certificate, found.key):
        if not path.is_file():
            raise ServiceError(str(path), "no such file", "mount a secret of type kubernetes.io/tls there")
    return found


def _access(environment: Mapping[str, str]) -> AccessSettings | None:
    audience = environment.get("MODEL_SERVER_AUDIENCE")
    if not audience:
        return None
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    account = Path(environment.get("MODEL_SERVER_SERVICE_ACCOUNT_DIR", str(POD)))
    namespace = account / "namespace"
    if not host or not namespace.is_file():
        remedy = "run it in a pod with its service account's token, or unset it"
        raise ServiceError("MODEL_SERVER_AUDIENCE", "there is no cluster that reviews tokens", remedy)
    return AccessSettings(host, int(port), audience, namespace.read_text(encoding="ascii").strip(), account)
