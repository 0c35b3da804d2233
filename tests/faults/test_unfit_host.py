"""A host that cannot become a node is refused before anything is changed on it; once it is mended, the run goes on."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.bare_site import FINGERPRINT, bare_site
from tests.support.scenario_site import ScenarioSite

pytestmark = pytest.mark.timeout(600)

NAME = "unfit"
FEDORA = """
cp --remove-destination /usr/lib/os-release /etc/os-release
sed -i -e 's/^ID=.*/ID=fedora/' -e 's/^VERSION_ID=.*/VERSION_ID=42/' /etc/os-release
"""
DAY_ENDED = datetime(2020, 1, 2, tzinfo=UTC)
AUTHORITY_ENDS = datetime(2040, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioSite]:
    """A site of one bare sandbox host, with a state of its own."""
    nodes = [{"name": "control-1", "role": "control-plane"}]
    with bare_site(tmp_path_factory.mktemp(NAME), NAME, "10.95.1.0/24", nodes) as site:
        yield site


@pytest.fixture
def refused(host, one_clear_error):
    """Converge, which must be refused with one clear error and leave the host as it was; return what it said."""

    def converge() -> str:
        before = host.output_of("control-1", FINGERPRINT)
        said = one_clear_error("converge", host.path, environment=os.environ)
        assert host.output_of("control-1", FINGERPRINT) == before
        assert "host control-1" in said
        return said

    return converge


def goes_on(host: ScenarioSite) -> None:
    """Converge on the mended host as far as its first role, which is enough to see that it is let in."""
    done = host.portolan("converge", "--tags", "ssh", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert "ssh" in {one["role"] for one in json.loads(done.stdout)["roles"]}


def test_a_wrong_operating_system(host, refused):
    host.output_of("control-1", FEDORA)
    said = refused()
    assert "the host runs fedora-42, and the roles are made for debian-12" in said
    assert "remedy: install one of those on it" in said
    host.output_of("control-1", "ln --symbolic --force ../usr/lib/os-release /etc/os-release")
    goes_on(host)


def test_too_small_a_disk(host, refused):
    host.output_of("control-1", "mount -t tmpfs -o size=1g tmpfs /var/lib")
    try:
        said = refused()
    finally:
        host.output_of("control-1", "umount /var/lib")
    assert "/var/lib has 1.1 GB free, and a node needs 10.7 GB" in said
    assert "remedy: " in said
    goes_on(host)


def of_an_authority(until: datetime) -> bytes:
    """Return an API server's certificate that holds until then."""
    key = ec.generate_private_key(ec.SECP256R1())

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    made = (
        x509.CertificateBuilder()
        .subject_name(name("kube-apiserver"))
        .issuer_name(name("kubernetes"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2019, 1, 2, tzinfo=UTC))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def put(host: ScenarioSite, name: str, until: datetime) -> None:
    text = base64.b64encode(of_an_authority(until)).decode()
    path = Path("/etc/kubernetes/pki") / name
    host.output_of("control-1", f"mkdir -p {path.parent} && echo {text} | base64 --decode > {path}")


def test_certificates_that_have_ended(host, refused):
    """What renews them on a cluster, with their real authorities, is shown by the scenario of backup and restore."""
    put(host, "ca.crt", AUTHORITY_ENDS)
    put(host, "apiserver.crt", DAY_ENDED)
    said = refused()
    assert "the certificate /etc/kubernetes/pki/apiserver.crt ended on 2020-01-02" in said
    assert "remedy: renew the control plane's certificates: portolan certificates" in said

    put(host, "apiserver.crt", AUTHORITY_ENDS)
    put(host, "etcd/server.crt", DAY_ENDED)
    said = refused()
    assert "etcd/server.crt ended on 2020-01-02" in said
    assert "apiserver.crt" not in said

    put(host, "etcd/server.crt", AUTHORITY_ENDS)
    goes_on(host)
    host.output_of("control-1", "rm -r /etc/kubernetes")
