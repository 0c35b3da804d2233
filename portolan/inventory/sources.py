"""What the inventory is made from: the lock's versions, the bundle's index and the state, read from disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from portolan import paths
from portolan.errors import PortolanError
from portolan.inventory.document import Sources
from portolan.inventory.hosts import made_hosts
from portolan.inventory.identity import read_authorities
from portolan.sites.loader import load_site
from portolan.sites.schema import Site
from portolan.sizing.plan import Plan

HOST_BINARIES = ("kubeadm", "kubelet", "kubectl", "helm", "etcdctl", "etcdutl", "kube-bench")
PREVIOUS = "previous-"  # how the bundle names what belongs to the minor release before


def read_sources(site_path: Path) -> Sources:
    """Read everything that the inventory of a site is made from.

    Raises PortolanError where the site file, the state or the bundle's index is damaged.
    """
    site = load_site(site_path)
    for rules in site.security.intrusion_rules:
        if not os.access(rules, os.R_OK):
            raise PortolanError(rules, "the rules cannot be read", "name a file of Suricata's rules on this machine")
    state = paths.site_state(site.name)
    bundle = paths.cache() / "bundle"
    entries = of_release(bundle_entries(bundle), os.environ.get("PORTOLAN_KUBERNETES", "current"))
    return Sources(
        site=site,
        plan=site_plan(site, state),
        made=made_hosts(state),
        state=str(state),
        tunnel_generation=tunnel_generation(state),
        bundle=str(bundle),
        binaries=tuple(
            {key: entry[key] for key in ("name", "path", "sha256")}
            for entry in entries
            if entry["kind"] == "binary" and entry["name"] in HOST_BINARIES
        ),
        images=tuple(
            {key: entry[key] for key in ("reference", "path", "sha256", "nodes")}
            for entry in entries
            if entry["kind"] == "image" and entry.get("nodes")
        ),
        authorities=read_authorities(site),
        charts=tuple(entry["name"] for entry in entries if entry["kind"] == "chart"),
        debian_digest=next((entry["sha256"] for entry in entries if entry["kind"] == "debian"), ""),
    )


def of_release(entries: list[dict[str, Any]], release: str) -> list[dict[str, Any]]:
    """Return the bundle's entries with the `current` Kubernetes, or with the `previous` one under its names.

    The previous release is what an upgrade starts from. Raises PortolanError where the bundle lacks it.
    """
    if release == "current":
        return [entry for entry in entries if not entry["name"].startswith(PREVIOUS)]
    kept = [entry for entry in entries if not entry["name"].startswith(PREVIOUS)]
    old = {
        (entry["kind"], entry["name"].removeprefix(PREVIOUS)): entry
        for entry in entries
        if entry["name"].startswith(PREVIOUS)
    }
    if release != "previous" or not old:
        raise PortolanError(
            f"PORTOLAN_KUBERNETES={release}",
            "the bundle has no such release of Kubernetes",
            "say current or previous; the previous one is made by: portolan bundle build --only previous",
        )
    return [
        {**old[key], "name": entry["name"], "nodes": entry.get("nodes")}
        if (key := (entry["kind"], entry["name"])) in old
        else entry
        for entry in kept
    ]


def tunnel_generation(state: Path) -> int:
    """Return how often the keys of the tunnel between locations were changed."""
    path = state / "tunnel-generation"
    if not path.is_file():
        return 0
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text.isdigit():
        raise PortolanError(
            str(path), f"'{text}' is no number", "remove it and converge: the tunnel gets its first keys"
        )
    return int(text)


def bundle_entries(bundle: Path) -> list[dict[str, Any]]:
    """Return the entries of the bundle's index; none where the bundle was not built yet."""
    index = bundle / "index.json"
    if not index.is_file():
        return []
    try:
        entries: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))["entries"]
    except (ValueError, KeyError, TypeError) as error:
        raise PortolanError(str(index), "not a valid index of a bundle", "run `portolan bundle build`") from error
    return entries


def site_plan(site: Site, state: Path) -> Plan | None:
    """Return the plan that lies in the state, None where the site was not sized yet."""
    path = state / "plan.json"
    if not path.is_file():
        return None
    try:
        plan = Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PortolanError(str(path), "not a valid plan", "remove it and run the command again") from error
    names = {host.name for host in plan.hosts}
    return plan if names == {node.name for node in site.hosts.nodes} else None
