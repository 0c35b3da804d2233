"""From a kubeconfig (path, content or the usual places) to what is needed to open a connection.

Read here rather than by the `kubernetes` package: importing that one takes 1.2 s of each `pulumi up`, this one 10 ms.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from portolan.errors import PortolanError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# A credential plugin that answers nothing within this time is taken for hung.
CREDENTIAL_TIMEOUT_SECONDS = 60
# Tokens are renewed this long before they expire, so that none expires on its way.
RENEW_BEFORE_SECONDS = 30


@dataclass(frozen=True)
class Access:
    """How to reach one API server as one user."""

    where: str
    server: str
    namespace: str = "default"
    authority_pem: str | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy: str | None = None
    client_certificate_pem: str | None = None
    client_key_pem: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    basic: tuple[str, str] | None = field(default=None, repr=False)
    exec: Mapping[str, Any] | None = None
    content: Mapping[str, Any] | None = field(default=None, repr=False)
    context: str | None = None


def load(kubeconfig: str | None, context: str | None, cluster: str | None, namespace: str | None) -> Access:
    """Return the access that a provider's settings name.

    `kubeconfig` is a path, the content itself, or nothing: then KUBECONFIG, `~/.kube/config` and the service account of
    a pod are tried, in this order. Raises PortolanError that names the file and the entry at fault.
    """
    if kubeconfig:
        where, given = _read(kubeconfig)
        return select(given, where, context, cluster, namespace)
    where, found = _default()
    return _in_cluster(namespace) if found is None else select(found, where, context, cluster, namespace)


def parse(text: str, where: str) -> Mapping[str, Any]:
    """Return a kubeconfig's content."""
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise PortolanError(
            where, f"not a kubeconfig: {error}", "give the path of a kubeconfig, or its content"
        ) from error
    if not isinstance(content, Mapping):
        raise PortolanError(
            where, "neither a file that exists nor a kubeconfig", "give the path of a kubeconfig, or its content"
        )
    return content


def _read(path_or_content: str) -> tuple[str, Mapping[str, Any]]:
    if "\n" not in path_or_content and len(path_or_content) < os.pathconf("/", "PC_PATH_MAX"):
        path = Path(path_or_content).expanduser()
        if path.is_file():
            return str(path), _with_base(parse(_text(path), str(path)), path.absolute().parent)
    where = "kubernetes:kubeconfig" if "\n" in path_or_content or "{" in path_or_content else path_or_content
    return where, parse(path_or_content, where)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise PortolanError(str(path), f"cannot be read: {error.strerror}", "check its owner and mode") from error


def _default() -> tuple[str, Mapping[str, Any] | None]:
    listed = [Path(one).expanduser() for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    files = [one for one in listed or [Path.home() / ".kube" / "config"] if one.is_file()]
    if not files:
        if listed and not (SERVICE_ACCOUNT / "token").is_file():
            raise PortolanError(
                "KUBECONFIG", f"no such file: {os.environ['KUBECONFIG']}", "set it to a kubeconfig that exists"
            )
        return "", None
    return str(files[0]), merge([_with_base(parse(_text(one), str(one)), one.absolute().parent) for one in files])


def merge(contents: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return several kubeconfigs as one: the first to name an entry wins, as with kubectl."""
    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
    for content in contents:
        merged.setdefault("current-context", content.get("current-context"))
        merged["current-context"] = merged["current-context"] or content.get("current-context")
        for group in ("clusters", "contexts", "users"):
            known = {entry["name"] for entry in merged[group]}
            merged[group] += [entry for entry in content.get(group) or [] if entry["name"] not in known]
    return merged


_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _with_base(content: Mapping[str, Any], base: Path) -> Mapping[str, Any]:
    """Return a kubeconfig whose relative file names are relative to nothing any more."""

    def absolute(entry: Any) -> Any:
        return {
            key: str(base / value) if key in _FILE_KEYS and value else value for key, value in (entry or {}).items()
        }

    result = dict(content)
    for group, inner in (("clusters", "cluster"), ("users", "user")):
        result[group] = [{**one, inner: absolute(one.get(inner))} for one in content.get(group) or []]
    return result


def _in_cluster(namespace: str | None) -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (SERVICE_ACCOUNT / "token").is_file():
        raise PortolanError(
            "kubeconfig", "no kubeconfig found", "set KUBECONFIG, or the provider's `kubeconfig`, to one"
        )
    own = SERVICE_ACCOUNT / "namespace"
    return Access(
        where=str(SERVICE_ACCOUNT),
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace or (own.read_text().strip() if own.is_file() else "default"),
        authority_pem=(SERVICE_ACCOUNT / "ca.crt").read_text(),
        token_file=SERVICE_ACCOUNT / "token",
    )


def _entry(content: Mapping[str, Any], group: str, name: str, where: str) -> Mapping[str, Any]:
    inner = group.removesuffix("s")
    for entry in content.get(group) or []:
        if entry.get("name") == name:
            return entry.get(inner) or {}
    known = ", ".join(str(entry.get("name")) for entry in content.get(group) or []) or "none"
    raise PortolanError(where, f"no {inner} named {name!r} (it has: {known})", f"name one of its {group}")


def select(
    content: Mapping[str, Any], where: str, context: str | None, cluster: str | None, namespace: str | None
) -> Access:
    """Return the access of one context of a kubeconfig; `cluster` and `namespace` override the context's own."""
    name = context or content.get("current-context")
    if not name:
        raise PortolanError(where, "has no current-context", "set one with `kubectl config use-context`, or `context`")
    chosen = _entry(content, "contexts", name, where)
    server = _entry(content, "clusters", cluster or chosen.get("cluster", ""), where)
    user = _entry(content, "users", chosen["user"], where) if chosen.get("user") else {}
    if not server.get("server"):
        raise PortolanError(where, f"cluster {cluster or chosen.get('cluster')!r} has no server", "add its address")
    return Access(
        where=where,
        server=str(server["server"]).rstrip("/"),
        namespace=namespace or chosen.get("namespace") or "default",
        authority_pem=_pem(server, "certificate-authority", where),
        insecure=bool(server.get("insecure-skip-tls-verify")),
        tls_server_name=server.get("tls-server-name"),
        proxy=server.get("proxy-url"),
        client_certificate_pem=_pem(user, "client-certificate", where),
        client_key_pem=_pem(user, "client-key", where),
        token=user.get("token"),
        token_file=Path(user["tokenFile"]) if user.get("tokenFile") else None,
        basic=(user["username"], user.get("password", "")) if user.get("username") else None,
        exec=user.get("exec"),
        content=content,
        context=name,
    )


def _pem(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    data = entry.get(f"{key}-data")
    if data:
        try:
            return base64.b64decode(data, validate=False).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise PortolanError(
                where, f"{key}-data is not base64 of PEM: {error}", "make the kubeconfig anew"
            ) from error
    return _text(Path(entry[key])) if entry.get(key) else None


class Credentials:
    """The `Authorization` header of an access, renewed when it is about to expire."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._held: tuple[float, str] | None = None

    def header(self) -> str | None:
        """Return the header's value, or None where a client certificate (or nothing) speaks for the user."""
        access = self._access
        if access.basic:
            return "Basic " + base64.b64encode(":".join(access.basic).encode()).decode()
        if access.token:
            return f"Bearer {access.token}"
        if self._held and self._held[0] > time.time():
            return f"Bearer {self._held[1]}"
        if access.token_file:
            # Bound service account tokens are rotated on disk; a minute is what client-go holds them for.
            self._held = (time.time() + 60, _text(access.token_file).strip())
        elif access.exec:
            self._held = run_credential_plugin(access.exec, access.where)
        return f"Bearer {self._held[1]}" if self._held and self._held[1] else None


def run_credential_plugin(described: Mapping[str, Any], where: str) -> tuple[float, str]:
    """Run a kubeconfig's `exec` credential plugin; return when its token expires (Unix time) and the token."""
    command = [described["command"], *(described.get("args") or [])]
    environment = {
        **os.environ,
        **{pair["name"]: pair["value"] for pair in described.get("env") or []},
        "KUBERNETES_EXEC_INFO": json.dumps(
            {"apiVersion": described.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
        ),
    }
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=CREDENTIAL_TIMEOUT_SECONDS, check=True
        )
        status = json.loads(done.stdout).get("status") or {}
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        shown = getattr(error, "stderr", "") or str(error)
        raise PortolanError(
            where, f"credential plugin {command[0]} failed: {shown.strip()}", "run it by hand"
        ) from error
    expires = status.get("expirationTimestamp")
    until = datetime.fromisoformat(expires).timestamp() - RENEW_BEFORE_SECONDS if expires else float("inf")
    return until, status.get("token") or ""
