"""The platform's own authority: its certificates are trusted, good for their names, and renewed in time."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import timedelta

import pytest
from cryptography import x509

from portolan.errors import PortolanError
from portolan.platform import pki
from portolan.platform.environment import WEBHOOK_NAMES, renewed_certificates
from portolan.platform.secrets import AccessKey, PlatformSecrets


def known(at):
    authority = pki.make_authority(at)
    key = AccessKey(access_key="A" * 20, secret_key="s" * 40)
    return PlatformSecrets(
        object_store_administrator=key,
        object_store_risk_scoring=key,
        authority=authority,
        kserve_webhook=pki.issue(authority, WEBHOOK_NAMES, at),
    )


def handshake(secrets, name, tmp_path):
    """Serve with the webhook's certificate, connect as the API server does, and return the peer's names."""
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    chain.write_text(secrets.kserve_webhook.certificate)
    key.write_text(secrets.kserve_webhook.private_key)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cadata=secrets.authority.certificate)
    left, right = socket.socketpair()

    def serve():
        try:
            server.wrap_socket(left, server_side=True).close()
        except OSError:
            left.close()  # the client refused

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(right, server_hostname=name) as connection:
            return connection.getpeercert()["subjectAltName"]
    finally:
        thread.join()


def test_a_client_that_trusts_the_authority_accepts_the_webhook(tmp_path):
    names = handshake(known(pki.utc_now()), WEBHOOK_NAMES[0], tmp_path)
    assert ("DNS", WEBHOOK_NAMES[0]) in names


def test_another_name_is_refused(tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(known(pki.utc_now()), "other.kserve.svc", tmp_path)


def test_an_expired_certificate_is_refused(tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(known(pki.utc_now() - pki.SERVING_LIFETIME - timedelta(days=1)), WEBHOOK_NAMES[0], tmp_path)


def test_a_fresh_certificate_is_kept():
    secrets = renewed_certificates(known(pki.utc_now()))
    assert renewed_certificates(secrets) == secrets


def test_secrets_of_before_get_what_they_lack():
    secrets = known(pki.utc_now())
    with pytest.raises(PortolanError, match="platform up"):
        secrets.required("endpoint")
    with pytest.raises(PortolanError, match="platform up"):
        _ = secrets.decisions_key
    renewed = renewed_certificates(secrets)
    assert renewed.required("endpoint").names
    assert renewed.kserve_webhook == secrets.kserve_webhook
    assert len(renewed.audit_key) >= 32
    assert renewed.decisions_key not in (secrets.object_store_administrator, secrets.object_store_risk_scoring)


def test_an_endpoint_gets_a_certificate_for_its_addresses(tmp_path):
    secrets = renewed_certificates(known(pki.utc_now()), ("worker-1", "127.0.0.1"))
    certificate = x509.load_pem_x509_certificate(secrets.required("endpoint").certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    other = renewed_certificates(secrets, ("worker-1", "10.0.0.1"))
    assert other.required("endpoint") != secrets.required("endpoint")


def test_a_certificate_close_to_its_end_is_issued_anew_by_the_same_authority(tmp_path):
    secrets = known(pki.utc_now() - pki.SERVING_LIFETIME + pki.RENEW_BEFORE - timedelta(days=1))
    renewed = renewed_certificates(secrets)
    assert renewed.kserve_webhook != secrets.kserve_webhook
    assert renewed.authority == secrets.authority
    assert renewed.object_store_administrator == secrets.object_store_administrator
    assert handshake(renewed, WEBHOOK_NAMES[0], tmp_path)


def test_an_authority_close_to_its_end_is_replaced_with_all_that_it_signed(tmp_path):
    secrets = known(pki.utc_now() - pki.AUTHORITY_LIFETIME + timedelta(days=1))
    renewed = renewed_certificates(secrets)
    assert renewed.authority != secrets.authority
    assert handshake(renewed, WEBHOOK_NAMES[0], tmp_path)
