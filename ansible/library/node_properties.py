#!/usr/bin/python
"""Give the cluster's nodes their labels, annotations and simulated resources, all in one call."""

from __future__ import annotations

import json
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: node_properties
short_description: Set labels, annotations and extended resources of nodes
description:
  - Runs on a control-plane host. Extended resources are advertised by a patch of the node's status.
  - What a node has under one of the managed prefixes and should not have is taken away.
options:
  nodes:
    description: "Node name to C(labels), C(annotations) and C(capacity)."
    type: dict
    required: true
  kubeconfig:
    description: Kubeconfig on the host.
    type: path
    default: /etc/kubernetes/admin.conf
  managed_prefix:
    description: Labels and annotations that begin so, and are not wanted, are removed.
    type: str
    default: portolan.dev/
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Label the nodes
  node_properties:
    nodes:
      worker-2:
        labels: {portolan.dev/accelerator: simulated}
        annotations: {}
        capacity: {nvidia.com/gpu: "4"}
"""

RETURN = r"""
patched: {description: Names of the nodes that were changed., type: list, returned: always}
"""


def difference(wanted: dict, present: dict, managed_prefix: str) -> dict:
    """Return the merge patch from what is present to what is wanted; None takes a key away."""
    patch = {key: value for key, value in wanted.items() if present.get(key) != value}
    surplus = {key: None for key in present if key.startswith(managed_prefix) and key not in wanted}
    return patch | surplus


def patches(node: dict, wanted: dict, managed_prefix: str) -> tuple[dict, dict]:
    """Return the merge patches of a node's metadata and status; empty where nothing is to do."""
    metadata = {}
    for field in ("labels", "annotations"):
        changed = difference(wanted.get(field, {}), node["metadata"].get(field, {}), managed_prefix)
        if changed:
            metadata[field] = changed
    # A resource that was simulated before and is not wanted any more is taken back: the annotation names it.
    recorded = node["metadata"].get("annotations", {}).get(managed_prefix + "simulated-accelerators", "")
    before = {entry.partition("=")[0] for entry in recorded.split(",") if entry}
    present = node["status"].get("capacity", {})
    capacity: dict = difference(wanted.get("capacity", {}), present, "\0")
    capacity.update(dict.fromkeys(before & set(present) - set(wanted.get("capacity", {}))))
    return (
        {"metadata": metadata} if metadata else {},
        {"status": {"capacity": capacity}} if capacity else {},
    )


def main() -> None:
    module = AnsibleModule(
        {
            "nodes": {"type": "dict", "required": True},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
            "managed_prefix": {"type": "str", "default": "portolan.dev/"},
        },
        supports_check_mode=True,
    )

    def kubectl(*arguments: str) -> str:
        command = ["kubectl", "--kubeconfig", module.params["kubeconfig"], *arguments]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode != 0:
            module.fail_json(msg=f"kubectl {arguments[0]} failed: {result.stderr.strip()}")
        return result.stdout

    nodes = {item["metadata"]["name"]: item for item in json.loads(kubectl("get", "nodes", "-o", "json"))["items"]}
    patched = []
    for name, wanted in module.params["nodes"].items():
        if name not in nodes:
            if module.check_mode:
                patched.append(name)
                continue
            module.fail_json(msg=f"the cluster has no node {name}")
        metadata, status = patches(nodes[name], wanted, module.params["managed_prefix"])
        if metadata and not module.check_mode:
            kubectl("patch", "node", name, "--type=merge", "-p", json.dumps(metadata))
        if status and not module.check_mode:
            kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))
        if metadata or status:
            patched.append(name)
    module.exit_json(changed=bool(patched), patched=patched)


if __name__ == "__main__":
    main()
