"""Certificates that have ended are named before anything is changed, and one command renews them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.support.scenario_site import ScenarioSite

pytestmark = pytest.mark.full

BARE = "--without-platform-images"
PKI = "/etc/kubernetes/pki"
END = f"openssl x509 -noout -enddate -dateopt iso_8601 -in {PKI}/apiserver.crt"


def ended(certificate: bytes, authority: bytes, authority_key: bytes) -> bytes:
    """Return the same certificate of the same authority, but of a day in 2020."""
    old, issuer = x509.load_pem_x509_certificate(certificate), x509.load_pem_x509_certificate(authority)
    builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(issuer.subject)
    builder = builder.public_key(old.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(
        datetime(2020, 1, 2, tzinfo=UTC)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    key = serialization.load_pem_private_key(authority_key, None)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]


def test_certificates_that_ended_are_named_and_renewed(stage: ScenarioSite) -> None:
    for name in stage.control_planes:
        files = [stage.output_of(name, f"cat {PKI}/{file}").encode() for file in ("apiserver.crt", "ca.crt", "ca.key")]
        text = base64.b64encode(ended(*files)).decode()
        stage.output_of(name, f"echo {text} | base64 --decode > {PKI}/apiserver.crt")
    refused = stage.portolan("converge", BARE)
    assert refused.returncode == 2
    assert "ended on 2020-01-02" in refused.stderr
    assert "portolan certificates" in refused.stderr

    stage.must("certificates")
    for name in stage.control_planes:
        assert int(stage.output_of(name, END).partition("=")[2][:4]) > datetime.now(UTC).year
    stage.must("converge", BARE, "--expect-no-changes")
