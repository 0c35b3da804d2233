"""Read what the cluster says of its nodes."""

from __future__ import annotations

import json


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
        return {"pod_ranges": pod_ranges, "node_wishes": node_wishes}
