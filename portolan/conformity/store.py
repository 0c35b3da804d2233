"""The site's object store as verification reaches it: S3 through a forwarded port, with its own credentials."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from portolan.conformity.reach import forwarded

if TYPE_CHECKING:
    from portolan.conformity.world import World

NAMESPACE = "portolan-system"
SERVICE = "object-store"
PORT = 8333
CREDENTIALS = "object-store-credentials"
TIMEOUT_SECONDS = 10
CHUNK_BYTES = 1 << 20

FEATURES_THAT_ARE_NUMBERS = ("tax_rate", "net_mass", "item_price")
LABELS = ("fraud", "critical_fraud")


def object_store(world: World) -> Any:
    """Return an S3 client; the port stays forwarded until the world is closed."""
    return world.keep_open("object-store", lambda: _opened(world))


@contextmanager
def _opened(world: World) -> Iterator[Any]:
    import boto3
    from botocore.config import Config
    from kubernetes import client

    try:
        secret = world.core.read_namespaced_secret(CREDENTIALS, NAMESPACE, _request_timeout=TIMEOUT_SECONDS)
    except client.ApiException as error:
        if error.status == 404:
            raise LookupError(f"no object store: Secret {NAMESPACE}/{CREDENTIALS} does not exist") from None
        raise
    key, password = (
        base64.b64decode(secret.data[name]).decode() for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )
    with forwarded(world.kubeconfig, NAMESPACE, f"service/{SERVICE}", PORT) as port:
        yield boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=password,
            region_name="us-east-1",
            config=Config(
                connect_timeout=TIMEOUT_SECONDS,
                read_timeout=TIMEOUT_SECONDS,
                retries={"max_attempts": 1},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                proxies={},
            ),
        )


def round_trip(client: Any, bucket: str, key: str, body: bytes) -> bool:
    """Write an object, read it back, delete it; return whether what came back is what went in."""
    client.put_object(Bucket=bucket, Key=key, Body=body)
    try:
        return bool(client.get_object(Bucket=bucket, Key=key)["Body"].read() == body)
    finally:
        client.delete_object(Bucket=bucket, Key=key)


def read_manifest(client: Any, bucket: str, prefix: str) -> dict[str, Any]:
    """Return a model's MANIFEST.json."""
    text = client.get_object(Bucket=bucket, Key=f"{prefix}MANIFEST.json")["Body"].read()
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def sha256_of_object(client: Any, bucket: str, key: str) -> str:
    """Return the SHA-256 of an object, read in pieces."""
    digest = hashlib.sha256()
    for piece in client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(CHUNK_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def declarations_from(text: str, count: int) -> list[dict[str, Any]]:
    """Return the first `count` declarations of a CSV text by field name, without labels.

    The text may end in the middle of a line: that line is left out.

    >>> declarations_from("HS6 Code,Tax Rate,Fraud\\n090111,8.0,1\\n0901", 5)
    [{'hs6_code': '090111', 'tax_rate': 8.0}]
    """
    whole = text[: text.rfind("\n") + 1]
    rows = []
    for record in csv.DictReader(io.StringIO(whole)):
        named = {title.strip().lower().replace(" ", "_"): value for title, value in record.items()}
        row: dict[str, Any] = {name: value for name, value in named.items() if name not in LABELS}
        for name in FEATURES_THAT_ARE_NUMBERS:
            if name in row:
                row[name] = float(row[name])
        rows.append(row)
        if len(rows) == count:
            break
    return rows
