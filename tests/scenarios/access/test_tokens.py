"""People come with tokens of an issuer: their groups have the roles of the site file, and nobody else has any."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm
from ruamel.yaml import YAML

from portolan.conformity.reach import kubectl
from tests.support.sandbox import portolan
from tests.support.scenario_site import ScenarioSite, wait_for

BARE = "--without-platform-images"
GROUPS = {"viewers": ["audit"], "operators": ["operations"], "administrators": ["platform"]}


@dataclass
class Issuer:
    """An issuer of tokens that the hosts reach at their gateway."""

    url: str
    authority: Path
    key: rsa.RSAPrivateKey

    def token(self, *groups: str, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        now = int(time.time())
        said = {"iss": self.url, "aud": "kubernetes", "iat": now, "exp": now + 600, "preferred_username": "amina"}
        return jwt.encode(
            {**said, "groups": list(groups), **claims}, key or self.key, algorithm="RS256", headers={"kid": "one"}
        )


def certificate(address: str, key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    begin = datetime.now(UTC) - timedelta(minutes=5)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin)
    builder = builder.not_valid_after(begin + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def issuer(stage: ScenarioSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    folder = tmp_path_factory.mktemp("issuer")
    address = str(stage.site.network.hosts.network_address + 1)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = folder / "issuer.pem"
    pem.write_bytes(certificate(address, key))
    whole = folder / "whole.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    whole.write_bytes(key.private_bytes(*form) + pem.read_bytes())
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((address, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://{address}:{server.server_port}"
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    answers["/keys"] = {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}
    answers["/.well-known/openid-configuration"] = {
        "issuer": url,
        "jwks_uri": f"{url}/keys",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Issuer(url=url, authority=pem, key=key)
    server.shutdown()


def with_identity(stage: ScenarioSite, issuer: Issuer, folder: Path, groups: dict[str, list[str]]) -> Path:
    """Write the scenario's site file with the issuer."""
    written = YAML(typ="safe").load(stage.path.read_text(encoding="utf-8"))
    chosen = {"issuer_url": issuer.url, "certificate_authority": str(issuer.authority), "groups": groups}
    written["identity"] = {"open_id_connect": chosen}
    path = folder / "site.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML().dump(written, stream)
    return path


@pytest.fixture(scope="module")
def site(stage: ScenarioSite, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with its issuer, converged."""
    path = with_identity(stage, issuer, tmp_path_factory.mktemp("site"), GROUPS)
    done = portolan("converge", path, BARE, "--tags", "control_plane", timeout_seconds=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return path


def ask(stage: ScenarioSite, folder: Path, token: str, *question: str) -> str:
    """Ask the cluster with a token, and nothing else, what its bearer is or may do."""
    config = YAML(typ="safe").load(stage.kubeconfig.read_text(encoding="utf-8"))
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    path = folder / "kubeconfig"
    with path.open("w", encoding="utf-8") as stream:
        YAML().dump(config, stream)
    done = subprocess.run(
        [str(kubectl()), f"--kubeconfig={path}", *question], capture_output=True, text=True, timeout=60, check=False
    )
    return (done.stdout + done.stderr).strip()


def may(stage: ScenarioSite, folder: Path, token: str, *what: str) -> bool:
    return "yes" in ask(stage, folder, token, "auth", "can-i", *what).splitlines()


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_whoever_brings_a_token_is_known_by_name_and_groups(stage, issuer, site, tmp_path) -> None:
    said = wait_for(
        "the API server reads the issuer's keys",
        lambda: (found := ask(stage, tmp_path, issuer.token("audit"), "auth", "whoami")) and "oidc:" in found and found,
    )
    assert "oidc:amina" in said
    assert "oidc:audit" in said


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_groups_may_what_their_level_says_and_no_more(stage, issuer, site, tmp_path) -> None:
    questions = {
        "see pods": ("list", "pods", "--all-namespaces"),
        "see nodes": ("list", "nodes"),
        "see secrets": ("get", "secrets", "--namespace", "kube-system"),
        "change deployments": ("create", "deployments", "--namespace", "default"),
        "cordon": ("patch", "nodes"),
        "give roles": ("create", "clusterrolebindings"),
    }
    seeing, changing = {"see pods", "see nodes"}, {"change deployments", "cordon", "see secrets"}
    levels = {"audit": seeing, "operations": seeing | changing, "platform": set(questions), "strangers": set()}
    for group, wanted in levels.items():
        token = issuer.token(group)
        assert {name for name, what in questions.items() if may(stage, tmp_path, token, *what)} == wanted, group


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_no_token_names_a_group_of_the_cluster_itself(stage, issuer, site, tmp_path) -> None:
    assert not may(stage, tmp_path, issuer.token("system:masters"), "list", "pods")


@pytest.mark.full
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("wrong", ["of another key", "for another client", "that ended", "of another issuer"])
def test_a_wrong_token_is_refused(stage, issuer, site, tmp_path, wrong) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = {
        "of another key": issuer.token("platform", key=other),
        "for another client": issuer.token("platform", aud="mail"),
        "that ended": issuer.token("platform", exp=int(time.time()) - 600),
        "of another issuer": issuer.token("platform", iss="https://other.example"),
    }[wrong]
    assert "Unauthorized" in ask(stage, tmp_path, token, "get", "pods") or "must be logged in" in ask(
        stage, tmp_path, token, "get", "pods"
    )


@pytest.mark.full
@pytest.mark.timeout(2400)
def test_a_second_run_changes_nothing_and_a_group_that_is_taken_out_loses_its_role(
    stage, issuer, site, tmp_path
) -> None:
    again = ("--tags", "control_plane", "--expect-no-changes")
    assert portolan("converge", site, BARE, *again, timeout_seconds=1800).returncode == 0
    server = stage.output_of(stage.control_planes[0], "pgrep --exact kube-apiserver")
    without = with_identity(stage, issuer, tmp_path, {**GROUPS, "administrators": []})
    done = portolan("converge", without, BARE, "--tags", "control_plane", timeout_seconds=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not may(stage, tmp_path, issuer.token("platform"), "list", "pods")
    assert stage.output_of(stage.control_planes[0], "pgrep --exact kube-apiserver") == server
