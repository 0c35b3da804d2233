"""The line to the assistant: with a certificate nothing is answered in the clear, streams included."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from assistant_process import running


def certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 and its key, as a TLS secret holds them."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


def test_with_a_certificate_nothing_is_answered_in_the_clear(model: Path, tmp_path: Path) -> None:
    folder = certificate(tmp_path / "tls")
    trust = ssl.create_default_context(cafile=str(folder / "tls.crt"))
    body = {
        "model": "portolan-extractive",
        "messages": [{"role": "user", "content": "How long is a certificate EVD-1 valid?"}],
        "stream": True,
    }
    with running(model, tmp_path, MODEL_SERVER_TLS_DIR=str(folder)) as assistant:
        url = f"{assistant.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, verify=trust, timeout=30) as response:
            lines = [line for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        with pytest.raises(httpx.ConnectError):
            httpx.get(assistant.url)  # an authority that does not know the certificate
        with pytest.raises(httpx.TransportError):
            httpx.get(assistant.url.replace("https", "http"))
