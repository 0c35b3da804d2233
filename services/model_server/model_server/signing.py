"""Who made a model: an Ed25519 signature of its manifest, and the check of it before the model is loaded."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from model_server.errors import ServiceError
from model_server.sealed import MANIFEST
from model_server.storage import Store

SIGNATURE = "MANIFEST.sig"


def new_key() -> bytes:
    """Return a new private key (PEM)."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(private: bytes) -> bytes:
    """Return the public key (PEM) of a private one."""
    return (
        _private(private)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def sign(store: Store, private: bytes) -> None:
    """Sign the manifest of the model in `store`. Raises ServiceError."""
    store.write(SIGNATURE, b64encode(_private(private).sign(store.read(MANIFEST))) + b"\n")


def check(store: Store, public: bytes) -> None:
    """Raise ServiceError where the manifest in `store` is not signed, or not by the key's owner."""
    remedy = "sign it: python -m model_server.registry publish ... --key FILE"
    try:
        signature = b64decode(store.read(SIGNATURE), validate=False)
    except ServiceError:
        raise ServiceError(SIGNATURE, "missing, and only signed models are served here", remedy) from None
    try:
        _public(public).verify(signature, store.read(MANIFEST))
    except InvalidSignature:
        raise ServiceError(SIGNATURE, f"it is not the trusted key's signature of {MANIFEST}", remedy) from None


def read_key(path: Path) -> bytes:
    """Return a key file. Raises ServiceError where there is none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServiceError(str(path), error.strerror or str(error), "name a key file (PEM)") from None


def _private(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ServiceError("signing key", "no Ed25519 private key in PEM", "make one: registry new-key FILE")
    return key


def _public(pem: bytes) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ServiceError("trusted key", "no Ed25519 public key in PEM", "take the .pub file of registry new-key")
    return key
