"""What the roles are told of people: pure functions from the site, and the authorities' files that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portolan.errors import PortolanError
from portolan.sites.identity import Directory, OpenIdConnect
from portolan.sites.schema import Site

READ_NODES = {"apiGroups": [""], "resources": ["nodes", "namespaces", "persistentvolumes"]}
READ_STORAGE = {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses", "volumeattachments"]}
READ_METRICS = {"apiGroups": ["metrics.k8s.io"], "resources": ["nodes", "pods"]}
READ = ["get", "list", "watch"]


def read_authorities(site: Site) -> dict[str, str]:
    """Return the authorities that the site names, path to PEM. Raises PortolanError where one cannot be read."""
    chosen = site.identity.open_id_connect if site.identity else None
    wanted = [chosen.certificate_authority] if chosen and chosen.certificate_authority else []
    joined = site.identity.directory if site.identity else None
    if joined and joined.existing:
        wanted.append(joined.existing.certificate_authority)
    found: dict[str, str] = {}
    for path in wanted:
        try:
            text = Path(path).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise PortolanError(
                path, "the authority's certificate cannot be read", "name a PEM file that this user may read"
            ) from error
        if "-----BEGIN CERTIFICATE-----" not in text:
            raise PortolanError(path, "is no certificate in PEM", "name the authority's certificate, not its key")
        found[path] = text
    return found


def site_identity(site: Site, authorities: dict[str, str]) -> dict[str, Any]:
    """Return what the control plane does with tokens, and hosts with a directory; nothing where the site names none."""
    found: dict[str, Any] = {}
    if site.identity and (chosen := site.identity.open_id_connect):
        found["identity_authentication"] = authentication(chosen, authorities)
        found["identity_cluster_objects"] = cluster_objects(chosen)
    if site.identity and (joined := site.identity.directory):
        found["identity_directory"] = directory(joined, authorities)
    return found


def directory(joined: Directory, authorities: dict[str, str]) -> dict[str, Any]:
    """Return what hosts are told of the directory; of one of the site's own, the roles know the rest themselves."""
    told: dict[str, Any] = {
        "domain": joined.domain,
        "realm": joined.realm,
        "base": joined.base,
        "administrators": list(joined.administrators),
        "operators": list(joined.operators),
    }
    if joined.existing is None:
        return {**told, "server": joined.server}
    existing = joined.existing
    return {
        **told,
        "urls": list(existing.urls),
        "kind": existing.kind,
        "authority": authorities[existing.certificate_authority],
        "bind_as": existing.bind_as or "",
        "bind_password_file": existing.bind_password_file or "",
        "kerberos_servers": list(existing.kerberos_servers),
    }


def authentication(chosen: OpenIdConnect, authorities: dict[str, str]) -> dict[str, Any]:
    """Return the API server's structured authentication configuration.

    >>> authentication(OpenIdConnect(issuer_url="https://id.example"), {})["jwt"][0]["issuer"]
    {'url': 'https://id.example', 'audiences': ['kubernetes']}
    """
    issuer: dict[str, Any] = {"url": chosen.issuer_url, "audiences": [chosen.client_id]}
    if chosen.certificate_authority:
        issuer["certificateAuthority"] = authorities[chosen.certificate_authority]
    entry: dict[str, Any] = {
        "issuer": issuer,
        "claimMappings": {
            "username": {"claim": chosen.username_claim, "prefix": chosen.prefix},
            "groups": {"claim": chosen.groups_claim, "prefix": chosen.prefix},
        },
    }
    if chosen.required_claims:
        entry["claimValidationRules"] = [
            {"claim": claim, "requiredValue": value} for claim, value in sorted(chosen.required_claims.items())
        ]
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [entry]}


def cluster_objects(chosen: OpenIdConnect) -> list[dict[str, Any]]:
    """Return the cluster's roles and who has them; a level without groups is bound to nobody."""
    groups = chosen.groups
    seeing = groups.viewers + groups.operators
    return [
        _role("portolan:viewer", [{**rule, "verbs": READ} for rule in (READ_NODES, READ_STORAGE, READ_METRICS)]),
        _role(
            "portolan:operator",
            [
                {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch", "update"]},
                {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
            ],
        ),
        _binding("portolan:viewers", "view", groups.viewers, chosen.prefix),
        _binding("portolan:viewers-of-nodes", "portolan:viewer", seeing, chosen.prefix),
        _binding("portolan:operators", "edit", groups.operators, chosen.prefix),
        _binding("portolan:operators-of-nodes", "portolan:operator", groups.operators, chosen.prefix),
        _binding("portolan:administrators", "cluster-admin", groups.administrators, chosen.prefix),
    ]


def _role(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {**_head("ClusterRole", name), "rules": rules}


def _binding(name: str, role: str, groups: tuple[str, ...], prefix: str) -> dict[str, Any]:
    found = {
        **_head("ClusterRoleBinding", name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    }
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": prefix + group} for group in groups]
    return {**found, "subjects": subjects} if subjects else found


def _head(kind: str, name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "portolan"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
    }
