"""The key that signs a site's evidence: Ed25519, made at the first run, readable by its owner only."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from portolan import paths
from portolan.errors import PortolanError
from portolan.files import write_atomically


def key_path(site: str) -> Path:
    """Return where a site's signing key lies."""
    return paths.site_state(site) / "secrets" / "evidence-signing.pem"


def signing_key(site: str) -> Ed25519PrivateKey:
    """Return the site's signing key; the first call makes it.

    Raises PortolanError where the file is no such key, or others can read it.
    """
    path = key_path(site)
    if not path.is_file():
        made = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_atomically(path, made.decode())
    if path.stat().st_mode & 0o077:
        raise PortolanError(str(path), "others can read the key that signs evidence", f"run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise PortolanError(str(path), f"not a key: {error}", "restore it from a backup, or remove it") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise PortolanError(str(path), "not an Ed25519 key", "restore it from a backup, or remove it")
    return key


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key as base64 text."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def sign(key: Ed25519PrivateKey, message: bytes) -> str:
    """Return the signature as base64 text."""
    return base64.b64encode(key.sign(message)).decode()


def signature_holds(public: str, signature: str, message: bytes) -> bool:
    """Return whether a signature is that of the message by the key; text that is neither holds nothing."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True
