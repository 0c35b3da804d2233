"""Bytes by address: a folder (`file:///path` or a plain path) or an S3 prefix (`s3://bucket/prefix/`).

S3 takes its credentials and endpoint from the AWS_* environment (AWS_ENDPOINT_URL for an object store of
the site's own); boto3 is imported only for an s3 address: of a server, by the process that ships its log alone.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from model_server.errors import ServiceError


class Store(Protocol):
    """Where named bytes are read and written."""

    def read(self, name: str) -> bytes:
        """Return the bytes called `name`. Raises ServiceError where they cannot be read."""

    def write(self, name: str, content: bytes) -> None:
        """Put `content` under `name`; a reader sees the old bytes or the new ones, never a part."""

    def remove(self, name: str) -> None:
        """Remove `name` if it is there."""

    def below(self, name: str) -> Store:
        """Return the store of what lies under `name`."""

    def names(self) -> list[str]:
        """Return the names of what lies here, not of what lies further below. Raises ServiceError."""


class Folder:
    """A store in a local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise ServiceError(str(self.root / name), error.strerror or str(error), "check the path") from error

    def write(self, name: str, content: bytes) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self.root, prefix=f".{name}.")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).chmod(0o644)
                Path(temporary).replace(self.root / name)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ServiceError(
                str(self.root / name), error.strerror or str(error), "choose a folder that can be written to"
            ) from error

    def below(self, name: str) -> Folder:
        return Folder(self.root / name)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        try:
            return sorted(path.name for path in self.root.iterdir() if path.is_file())
        except OSError as error:
            raise ServiceError(str(self.root), error.strerror or str(error), "check the path") from error


class Bucket:
    """A store under a prefix of an S3 bucket."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = prefix if not prefix or prefix.endswith("/") else prefix + "/"
        self._client = _s3_client()

    def below(self, name: str) -> Bucket:
        return Bucket(self.bucket, f"{self.prefix}{name}/")

    def read(self, name: str) -> bytes:
        with _told(f"s3://{self.bucket}/{self.prefix}{name}"):
            answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + name)
            content: bytes = answer["Body"].read()
            return content

    def write(self, name: str, content: bytes) -> None:
        with _told(f"s3://{self.bucket}/{self.prefix}{name}"):
            self._client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=content)

    def remove(self, name: str) -> None:
        with _told(f"s3://{self.bucket}/{self.prefix}{name}"):
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def names(self) -> list[str]:
        with _told(f"s3://{self.bucket}/{self.prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix, Delimiter="/"
            )
            return [one["Key"].removeprefix(self.prefix) for page in pages for one in page.get("Contents", ())]


class _told:  # noqa: N801 - reads as a word where it is used
    """Turn what boto3 raises into the one error that users see."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, BotoCoreError | ClientError):
            endpoint = os.environ.get("AWS_ENDPOINT_URL", "the AWS default")
            raise ServiceError(
                self.where, str(error), f"check that it exists, AWS_ENDPOINT_URL ({endpoint}) and the credentials"
            ) from error


def _s3_client() -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ServiceError("s3://", "boto3 is not installed", "install the extra 'storage'") from error
    # A session of its own: the default one keeps the credentials of whoever asked first.
    return boto3.session.Session().client(
        "s3",
        region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 6},
            # an object store of one's own has no DNS name a bucket, and may not know the newer checksum trailers
            s3={"addressing_style": "path"} if os.environ.get("AWS_ENDPOINT_URL") else {},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def open_store(address: str) -> Store:
    """Return the store at `address`.

    >>> open_store("file:///data").root
    PosixPath('/data')

    Raises ServiceError for an address that is neither a path, file:// nor s3://BUCKET/.
    """
    parts = urlsplit(address)
    if parts.scheme in ("", "file") and not (parts.scheme and parts.netloc):
        return Folder(Path(unquote(parts.path)) if parts.scheme else Path(address))
    if parts.scheme == "s3" and parts.netloc:
        return Bucket(parts.netloc, parts.path.lstrip("/"))
    raise ServiceError(address, "no address of data", "use a path, file:///path or s3://BUCKET/PREFIX/")
