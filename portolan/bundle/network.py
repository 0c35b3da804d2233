"""Downloading: mirror or official host alike, resumed, checked, never waiting long for a host that is not there."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from portolan.bundle.index import digest_of_file
from portolan.errors import PortolanError
from portolan.model import Model

PROBE_SECONDS = 2.0
READ_SECONDS = 60.0
ATTEMPTS = 4


class Sources(Model):
    """Where released files and images may come from."""

    mirror: str | None = None  # base URL; below it the official hosts' names, then their paths
    registry_mirror: str | None = None  # host[:port][/path]; below it the official registries' names
    official: bool = True

    @classmethod
    def from_environment(cls) -> Sources:
        """Read PORTOLAN_MIRROR, PORTOLAN_REGISTRY_MIRROR and PORTOLAN_NO_OFFICIAL.

        Raises PortolanError where the mirror is no URL.
        """
        mirror = os.environ.get("PORTOLAN_MIRROR") or None
        if mirror is not None and urlsplit(mirror).scheme not in ("http", "https"):
            raise PortolanError("PORTOLAN_MIRROR", f"{mirror!r} is no http or https address", "give the whole base URL")
        registry = os.environ.get("PORTOLAN_REGISTRY_MIRROR") or None
        if registry is not None and "://" in registry:
            raise PortolanError(
                "PORTOLAN_REGISTRY_MIRROR", f"{registry!r} has a scheme", "give host[:port][/path] only"
            )
        return cls(
            mirror=mirror.rstrip("/") if mirror else None,
            registry_mirror=registry.rstrip("/") if registry else None,
            official=os.environ.get("PORTOLAN_NO_OFFICIAL", "") in ("", "0"),
        )

    def addresses(self, official_url: str) -> list[tuple[str, str]]:
        """Return (source, address) pairs to try in order.

        >>> Sources(mirror="http://m").addresses("https://dl.k8s.io/release/x")
        [('mirror', 'http://m/dl.k8s.io/release/x'), ('official', 'https://dl.k8s.io/release/x')]
        """
        parts = urlsplit(official_url)
        found = []
        if self.mirror:
            found.append(("mirror", f"{self.mirror}/{parts.netloc}{parts.path}"))
        if self.official:
            found.append(("official", official_url))
        return found


class NotAvailableError(Exception):
    """This source does not have the file, or cannot be reached; another may."""


class _InterruptedError(Exception):
    """The connection broke; trying again goes on where it stopped."""


class Network:
    """Downloads files; remembers which hosts cannot be reached, so that each is waited for once."""

    def __init__(self, downloads: Path, attempts: int = ATTEMPTS, wait_seconds: float = 0.5) -> None:
        self._downloads = downloads
        self._attempts = attempts
        self._wait_seconds = wait_seconds
        self._reachable: dict[str, bool] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._client: httpx.Client | None = None

    @property
    def client(self) -> httpx.Client:
        """Return the one client; proxies and certificates are those of the environment."""
        with self._guard:
            if self._client is None:
                timeout = httpx.Timeout(READ_SECONDS, connect=5.0)
                self._client = httpx.Client(follow_redirects=True, timeout=timeout)
            return self._client

    def reachable(self, url: str) -> bool:
        """Tell whether the host of `url` answers at all; asked once a host."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._guard:
            lock = self._locks.setdefault(origin, threading.Lock())
        with lock:
            if origin not in self._reachable:
                try:
                    self.client.head(f"{origin}/", timeout=PROBE_SECONDS, follow_redirects=False)
                    self._reachable[origin] = True
                except (httpx.HTTPError, OSError):
                    self._reachable[origin] = False
            return self._reachable[origin]

    def read_text(self, url: str) -> str:
        """Return a small text, for example a checksum file.

        Raises NotAvailableError where it cannot be had.
        """
        if not self.reachable(url):
            raise NotAvailableError(f"{urlsplit(url).netloc} cannot be reached")
        try:
            answer = self.client.get(url)
        except httpx.HTTPError as error:
            raise NotAvailableError(f"{url}: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise NotAvailableError(f"{url}: HTTP {answer.status_code}")
        return answer.text

    def download(self, url: str, sha256: str, progress: Callable[[int], None] | None = None) -> Path:
        """Download a file whose digest is known, going on where an earlier attempt stopped.

        Raises NotAvailableError where the source does not have it, PortolanError where the content is wrong or
        the disk is full.
        """
        if not self.reachable(url):
            raise NotAvailableError(f"{urlsplit(url).netloc} cannot be reached")
        self._downloads.mkdir(parents=True, exist_ok=True)
        part = self._downloads / f"{hashlib.sha256(f'{url} {sha256}'.encode()).hexdigest()}.part"
        attempt = retry(
            retry=retry_if_exception_type(_InterruptedError),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=self._wait_seconds, max=10),
            reraise=True,
        )(self._fetch)
        try:
            attempt(url, part, progress)
        except _InterruptedError as error:
            raise NotAvailableError(f"{url}: {error}") from error
        except OSError as error:
            raise PortolanError(
                str(part), f"cannot be written: {error.strerror}", "free some disk space and run the same command again"
            ) from error
        found = digest_of_file(part)
        if found != sha256:
            part.unlink()
            raise PortolanError(
                url,
                f"the file is not what its publisher says: SHA-256 {found}, expected {sha256}",
                "the source is damaged or was tampered with: check it, or name another with PORTOLAN_MIRROR",
            )
        return part

    def _fetch(self, url: str, part: Path, progress: Callable[[int], None] | None) -> None:
        have = part.stat().st_size if part.exists() else 0
        # Without a transfer encoding: a range of a compressed stream is no range of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            with self.client.stream("GET", url, headers=headers) as answer:
                if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return  # all of it is already here; the digest decides
                if answer.status_code >= 500 or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    raise _InterruptedError(f"HTTP {answer.status_code}")
                if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                    raise NotAvailableError(f"{url}: HTTP {answer.status_code}")
                resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
                with part.open("ab" if resumed else "wb") as stream:
                    for chunk in answer.iter_raw():
                        stream.write(chunk)
                        if progress is not None:
                            progress(len(chunk))
        except httpx.TransportError as error:
            raise _InterruptedError(str(error) or type(error).__name__) from error


_HEX = re.compile(r"\b[0-9a-fA-F]{64}\b")


def checksum_of(text: str, filename: str) -> str | None:
    """Find a file's SHA-256 in a publisher's checksum file: a bare digest, or lines of digest and name.

    >>> checksum_of("a" * 64 + "  ./x.tar.gz", "x.tar.gz") == "a" * 64
    True
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        fields = line.split()
        if len(fields) == 2 and _HEX.fullmatch(fields[0]) and fields[1].lstrip("*").removeprefix("./") == filename:
            return fields[0].lower()
    if len(lines) == 1 and _HEX.fullmatch(lines[0]):
        return lines[0].lower()
    return None
