#!/usr/bin/python
"""Have every secret encrypted by one key: those that are not are written again, then the store is asked once more."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from collections.abc import Iterator

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: encrypted_secrets
short_description: Have every secret of the cluster encrypted in etcd by one key
description:
  - Reads in etcd which key each secret lies under. Those under another one, or under none, are written again through
    the API server, unchanged; then etcd is read again. It fails where some are left.
  - No content of a secret is returned.
options:
  key: {description: Name of the key that has to encrypt them: the API server's first., type: str, required: true}
  etcd_access: {description: etcdctl's options., type: str, required: true}
  server: {description: Address of the API server that writes., type: str, required: true}
  kubeconfig: {description: Administrator's kubeconfig., type: path, default: /etc/kubernetes/admin.conf}
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Have every secret under the new key
  encrypted_secrets:
    key: portolan-2
    etcd_access: --endpoints https://127.0.0.1:2379
    server: https://192.0.2.10:6443
"""

RETURN = r"""
rewritten: {description: How many secrets were not under the key., type: int, returned: always}
"""

BEGIN, END = "/registry/secrets/", "/registry/secrets0"  # "0" follows "/"
PAGE = 500
# A secret that somebody changes meanwhile is refused once, and is under the new key by that change.
TRIES = 5


def pages(etcd_access: str) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the store's secrets, path and the beginning of what lies there."""
    begin = BEGIN
    while True:
        command = ["etcdctl", *shlex.split(etcd_access), "get", begin, END, "--limit", str(PAGE), "-w", "json"]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found = [
            (base64.b64decode(one["key"]).decode(), base64.b64decode(one["value"][:400])) for one in told.get("kvs", [])
        ]
        yield [one for one in found if begin == BEGIN or one[0] != begin]
        if not told.get("more"):
            return
        begin = found[-1][0]


def under_another(entries: list[tuple[str, bytes]], key: str) -> list[str]:
    """Return the paths of secrets that another key encrypts, or none.

    >>> under_another([("/registry/secrets/a/b", b"k8s:enc:secretbox:v1:portolan-1:..."), ("c", b"k8s")], "portolan-1")
    ['c']
    """
    wanted = f"k8s:enc:secretbox:v1:{key}:".encode()
    return [path for path, value in entries if not value.startswith(wanted)]


def namespaces(paths: list[str]) -> list[str]:
    """Return the namespaces of paths.

    >>> namespaces(["/registry/secrets/customs/database", "/registry/secrets/customs/token"])
    ['customs']
    """
    return sorted({path.split("/")[3] for path in paths})


def main() -> None:
    module = AnsibleModule(
        {
            "key": {"type": "str", "required": True, "no_log": False},
            "etcd_access": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "kubeconfig": {"type": "path", "default": "/etc/kubernetes/admin.conf"},
        },
        supports_check_mode=True,
    )
    given = module.params
    kubectl = ["kubectl", "--kubeconfig", given["kubeconfig"], "--server", given["server"]]

    def left() -> list[str]:
        try:
            return [path for page in pages(given["etcd_access"]) for path in under_another(page, given["key"])]
        except subprocess.CalledProcessError as error:
            module.fail_json(msg=f"etcd cannot be read: {error.stderr.strip()}")
            raise

    first = stale = left()
    refused = ""
    for _ in range(0 if module.check_mode else TRIES):
        if not stale:
            break
        for namespace in namespaces(stale):
            read = subprocess.run(
                [*kubectl, "--namespace", namespace, "get", "secrets", "--output", "json"],
                check=False,
                capture_output=True,
            )
            write = subprocess.run(
                [*kubectl, "replace", "--filename", "-"], check=False, capture_output=True, input=read.stdout
            )
            refused = (read.stderr + write.stderr).decode(errors="replace").strip() or refused
        stale = left()
    if stale and not module.check_mode:
        shown = ", ".join(path.removeprefix(BEGIN) for path in stale[:5])
        module.fail_json(
            msg=f"{len(stale)} secrets are not under key {given['key']}, among them {shown}: {refused[-500:]}. "
            "Remedy: see what refuses to write them, then run the same command again; until then the old key stays"
        )
    module.exit_json(changed=bool(first), rewritten=len(first))


if __name__ == "__main__":
    main()
