"""The API server over HTTP: requests, watches and discovery, shared by all calls of the engine at once."""

from __future__ import annotations

import contextlib
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from portolan.embedded.kubernetes.errors import ApiError, NoSuchKind, Unreachable
from portolan.embedded.kubernetes.kubeconfig import Access, Credentials
from portolan.errors import PortolanError

CONNECT_TIMEOUT_SECONDS = 10.0
REQUEST_TIMEOUT_SECONDS = 60.0
# How many connections are held open: the engine's parallel operations and their watches share them.
CONNECTIONS = 512
IDLE_CONNECTIONS = 32
# Throttled requests (429) are tried again this often; the server says when.
THROTTLED_TRIES = 5

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Kind:
    """What the API server says of one kind of object."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return the URL path of the collection, or of one object."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


@dataclass(frozen=True)
class Answer:
    """A successful answer: the object, and the warnings that came in its headers."""

    body: dict[str, Any]
    warnings: tuple[str, ...] = ()


def ssl_context(access: Access) -> ssl.SSLContext:
    """Return the TLS settings of an access; raises PortolanError when its certificates cannot be used."""
    try:
        context = ssl.create_default_context(cadata=access.authority_pem)
        if access.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.client_certificate_pem and access.client_key_pem:
            # OpenSSL reads the pair from files alone; they live for this moment, in a directory of mode 0700.
            with tempfile.TemporaryDirectory(prefix="portolan-") as folder:
                certificate, key = Path(folder) / "certificate", Path(folder) / "key"
                certificate.write_text(access.client_certificate_pem)
                key.touch(mode=0o600)
                key.write_text(access.client_key_pem)
                context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise PortolanError(
            access.where, f"its certificates cannot be used: {error}", "make the kubeconfig anew"
        ) from error
    return context


class Cluster:
    """One API server. Safe to use from many threads."""

    def __init__(self, access: Access, timeout_seconds: float | None = None) -> None:
        self.access = access
        self._credentials = Credentials(access)
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._kinds_locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        extensions = {"sni_hostname": access.tls_server_name} if access.tls_server_name else {}
        self._extensions: dict[str, Any] = extensions
        self._client = httpx.Client(
            base_url=access.server,
            verify=ssl_context(access) if access.server.startswith("https") else False,
            proxy=access.proxy,
            trust_env=False,
            timeout=httpx.Timeout(
                timeout_seconds or REQUEST_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS, pool=None
            ),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=IDLE_CONNECTIONS),
            headers={"User-Agent": "portolan-embedded-kubernetes", "Accept": JSON},
        )

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _headers(self, content_type: str | None) -> dict[str, str]:
        headers = {"Content-Type": content_type} if content_type else {}
        authorization = self._credentials.header()
        if authorization:
            headers["Authorization"] = authorization
        return headers

    def request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Answer:
        """Send one request and return the answer.

        Raises ApiError for an answer other than success, Unreachable where none came.
        """
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        for attempt in range(THROTTLED_TRIES + 1):
            try:
                response = self._client.request(
                    method,
                    path,
                    params=dict(parameters or {}),
                    content=content,
                    headers={**self._headers(content_type if content is not None else None), "Accept": accept},
                    extensions=self._extensions,
                )
            except httpx.RemoteProtocolError as error:
                # An idle connection that the server closed in the same moment: only a read may be sent again.
                if method == "GET" and attempt == 0:
                    continue
                raise self._unreachable(error) from error
            except httpx.HTTPError as error:
                raise self._unreachable(error) from error
            if response.status_code == 429 and attempt < THROTTLED_TRIES:
                time.sleep(float(response.headers.get("Retry-After") or 1))
                continue
            break
        if response.status_code >= 400:
            raise _api_error(response.status_code, response.content)
        warnings = tuple(_warning_text(value) for value in response.headers.get_list("Warning"))
        return Answer(response.json() if response.content else {}, warnings)

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"the Kubernetes API server at {self.access.server} gave no answer ({type(error).__name__}: {error}); "
            f"its address comes from {self.access.where or 'the kubeconfig'}"
            + (f", context {self.access.context!r}" if self.access.context else "")
        )

    @contextlib.contextmanager
    def watch(
        self, path: str, parameters: Mapping[str, Any], quiet_seconds: float
    ) -> Iterator[Iterator[dict[str, Any]]]:
        """Open a watch; the iterator ends when the server ends it, or when nothing came for `quiet_seconds`."""
        try:
            with self._client.stream(
                "GET",
                path,
                params={**parameters, "watch": "1"},
                headers=self._headers(None),
                timeout=httpx.Timeout(quiet_seconds, connect=CONNECT_TIMEOUT_SECONDS, pool=None),
                extensions=self._extensions,
            ) as response:
                if response.status_code >= 400:
                    raise _api_error(response.status_code, response.read())
                yield (json.loads(line) for line in response.iter_lines() if line)
        except httpx.ReadTimeout:
            return
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def version(self) -> dict[str, Any]:
        """Return the server's version document: the cheapest question that shows it is there."""
        return self.request("GET", "/version").body

    def kind(self, api_version: str, kind: str) -> Kind:
        """Return how a kind is served; asked once per group and version, and again when a kind is not among them.

        Raises NoSuchKind.
        """
        found = self._kinds.get(api_version, {}).get(kind)
        if found:
            return found
        with self._lock:
            lock = self._kinds_locks.setdefault(api_version, threading.Lock())
        with lock:
            found = self._kinds.get(api_version, {}).get(kind)
            if not found:
                self._kinds[api_version] = self._discover(api_version)
                found = self._kinds[api_version].get(kind)
        if not found:
            raise NoSuchKind(api_version, kind)
        return found

    def _discover(self, api_version: str) -> dict[str, Kind]:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            resources = self.request("GET", root).body.get("resources") or []
        except ApiError as error:
            if error.not_found:
                return {}
            raise
        return {
            entry["kind"]: Kind(api_version, entry["kind"], entry["name"], bool(entry["namespaced"]))
            for entry in resources
            if "/" not in entry["name"]
        }

    def capabilities(self) -> tuple[str, list[str]]:
        """Return the server's version and its APIs (`apps/v1`, `apps/v1/Deployment`), as charts ask for them."""
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        apis: list[str] = []
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, accept=accept).body.get("items") or []:
                for version in group.get("versions") or []:
                    name = "/".join(filter(None, ((group.get("metadata") or {}).get("name"), version["version"])))
                    kinds = {
                        one["responseKind"]["kind"] for one in version.get("resources") or [] if one.get("responseKind")
                    }
                    apis += [name, *(f"{name}/{kind}" for kind in sorted(kinds))]
        return self.version()["gitVersion"], apis

    def known_kind(self, api_version: str, kind: str) -> Kind | None:
        """Return how a kind is served, or None where it is not."""
        try:
            return self.kind(api_version, kind)
        except NoSuchKind:
            return None

    def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
        """Return one object; raises ApiError with `not_found` where it is not there."""
        return self.request("GET", kind.path(namespace, name)).body

    def list(self, kind: Kind, namespace: str | None, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the objects of a collection that match."""
        items: list[dict[str, Any]] = self.request("GET", kind.path(namespace), parameters).body.get("items") or []
        return items


def _api_error(code: int, content: bytes) -> ApiError:
    try:
        status = json.loads(content)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    message = status.get("message") or content[:500].decode(errors="replace").strip() or f"HTTP status {code}"
    return ApiError(code, status.get("reason") or "", message, status.get("details"))


def _warning_text(header: str) -> str:
    """Return the text of a Warning header.

    >>> _warning_text('299 - "unknown field \\\\"spec.x\\\\""')
    'unknown field "spec.x"'
    """
    _, _, quoted = header.partition('"')
    return quoted.removesuffix('"').replace('\\"', '"')


Warn = Callable[[str], None]
