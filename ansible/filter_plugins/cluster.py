"""Read what the cluster says of its nodes."""

from __future__ import annotations

import json
from urllib.parse import urlsplit


def pod_ranges(nodes: str) -> dict[str, dict[str, str]]:
    """Return each node's pod range and address, from `kubectl get nodes -o json`.

    >>> pod_ranges('{"items": []}')
    {}
    """
    found = {}
    for node in json.loads(nodes)["items"]:
        addresses = {entry["type"]: entry["address"] for entry in node["status"].get("addresses", [])}
        pods = node["spec"].get("podCIDR")
        if pods and "InternalIP" in addresses:
            found[node["metadata"]["name"]] = {"pods": pods, "address": addresses["InternalIP"]}
    return found


def etcd_members(listed: str, names: list[str], addresses: list[str]) -> list[str]:
    """Return the hexadecimal identities of these hosts' members, from `etcdctl member list -w json`.

    A member that never started has no name yet, and is known by the address that others would reach it at.

    >>> listed = '{"members": [{"ID": 255, "name": "one"}, {"ID": 16, "peerURLs": ["https://10.89.0.12:2380"]}]}'
    >>> etcd_members(listed, ["two"], ["10.89.0.12"])
    ['10']
    """
    return [
        f"{member['ID']:x}"
        for member in json.loads(listed)["members"]
        if member.get("name") in names
        or (not member.get("name") and {urlsplit(url).hostname for url in member.get("peerURLs", [])} & set(addresses))
    ]


def ready_nodes(nodes: str) -> list[str]:
    """Return the names of the nodes that are Ready, from `kubectl get nodes -o json`.

    >>> ready_nodes('{"items": []}')
    []
    """
    return [
        node["metadata"]["name"]
        for node in json.loads(nodes)["items"]
        if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions", []))
    ]


def node_wishes(variables: dict) -> dict[str, dict[str, str]]:
    """Return what a host's node carries, from the host's variables."""
    return {
        "labels": dict(variables["node_labels"]),
        "annotations": dict(variables["node_annotations"]),
        "capacity": dict(variables["node_capacity"]),
    }


class FilterModule:
    """Make the filters known to Ansible."""

    def filters(self) -> dict:
        return {
            "pod_ranges": pod_ranges,
            "etcd_members": etcd_members,
            "ready_nodes": ready_nodes,
            "node_wishes": node_wishes,
        }
