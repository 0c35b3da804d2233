"""The line to a server: encrypted by its certificate, asked by those who may, traced where somebody collects."""

from __future__ import annotations

import asyncio
import ssl
import time
from concurrent import futures
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conftest import Place, serving
from model_server.authentication import KEPT_SECONDS, Asked, Authenticator
from model_server.errors import BadRequestError


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with a certificate for 127.0.0.1 and its key, as a TLS secret holds them."""
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
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


def test_with_a_certificate_nothing_is_answered_in_the_clear(place: Place, certificate: Path) -> None:
    place.publish()
    trust = ssl.create_default_context(cafile=str(certificate / "tls.crt"))
    with serving(place.folder, MODEL_SERVER_TLS_DIR=str(certificate)) as server:
        body = {"instances": [{"goods": "tea", "price": 0.5}]}
        answer = httpx.post(f"{server.url}/v1/models/peers:predict", json=body, verify=trust)
        assert answer.status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/v2")  # an authority that does not know the certificate
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url.replace("https", "http") + "/v2")
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/v2", verify=old)


class Cluster:
    """Reviews as an API server does: one good token, and who may."""

    def __init__(self, allowed: bool = True, down: bool = False) -> None:
        self.allowed, self.down, self.asked = allowed, down, 0

    def __call__(self, path: str, document: Any) -> Any:
        self.asked += 1
        if self.down:
            raise OSError("no route")
        if path.endswith("tokenreviews"):
            good = document["spec"]["token"] == "good"
            user = {"username": "system:serviceaccount:x:caller", "groups": ["g"]}
            return {"authenticated": good, "user": user, "audiences": ["peers"] if good else []}
        assert document["spec"]["resourceAttributes"]["subresource"] == "predict"
        return {"allowed": self.allowed}


def _status(authenticator: Authenticator, header: str | None) -> int:
    try:
        assert asyncio.run(authenticator.subject(header)) == "system:serviceaccount:x:caller"
    except BadRequestError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("cluster", "header", "status"),
    [
        (Cluster(), "Bearer good", 200),
        (Cluster(), None, 401),
        (Cluster(), "Basic good", 401),
        (Cluster(), "Bearer bad", 401),
        (Cluster(), "Bearer " + "x" * 9000, 401),
        (Cluster(allowed=False), "Bearer good", 403),
        (Cluster(down=True), "Bearer good", 503),
    ],
    ids=["good", "none", "no-bearer", "bad", "too-long", "not-allowed", "cluster-away"],
)
def test_who_may_ask(cluster: Cluster, header: str | None, status: int) -> None:
    assert _status(Authenticator(cluster, Asked("peers", "x", "peers")), header) == status


def test_a_token_is_reviewed_once_a_minute_and_a_withdrawn_one_ends() -> None:
    cluster, now = Cluster(), [0.0]
    authenticator = Authenticator(cluster, Asked("peers", "x", "peers"), lambda: now[0])
    assert [_status(authenticator, "Bearer good") for _ in range(5)] == [200] * 5
    assert cluster.asked == 2  # whose it is, and whether they may
    cluster.allowed = False
    now[0] += KEPT_SECONDS + 1
    assert _status(authenticator, "Bearer good") == 403


def test_a_callers_trace_is_continued(place: Place) -> None:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    spans: list[Any] = []

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            spans.extend(s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans)
            return trace_service_pb2.ExportTraceServiceResponse()

    collector = grpc.server(futures.ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), collector)
    port = collector.add_insecure_port("127.0.0.1:0")
    collector.start()
    digest = place.publish()
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "MODEL_SERVER_TRACE_SHARE": "0"}
    try:
        with serving(place.folder, **settings) as server:
            server.ask(headers={"traceparent": f"00-{trace}-{parent}-01"}).raise_for_status()
            server.ask(headers={"traceparent": f"00-{trace}-{parent}-00"}).raise_for_status()  # its caller keeps none
            server.ask().raise_for_status()  # begins here, and of these none is kept
            server.wait_for(lambda: spans, 15)
            time.sleep(1.2)
    finally:
        collector.stop(0)
    assert [(span.trace_id.hex(), span.parent_span_id.hex()) for span in spans] == [(trace, parent)]
    attributes = {one.key: one.value.string_value or one.value.int_value for one in spans[0].attributes}
    assert attributes == {
        "model.protocol": "v1",
        "model.arm": "stable",
        "model.digest": digest,
        "http.status_code": 200,
    }
    assert spans[0].end_time_unix_nano > spans[0].start_time_unix_nano
