#!/usr/bin/python
"""Install programs from the bundle: each is checked against the bundle's index, and put in place in one step."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: bundle_binaries
short_description: Install programs from the bundle
options:
  binaries:
    description: The programs.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the program., type: str, required: true}
      path: {description: Path in the bundle., type: str, required: true}
      sha256: {description: SHA-256 of the program., type: str, required: true}
  directory:
    description: Where the bundle lies on the host.
    type: path
    required: true
  destination:
    description: Directory to install to.
    type: path
    default: /usr/bin
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Install kubelet
  bundle_binaries:
    directory: /opt/portolan/bundle
    binaries: [{name: kubelet, path: bin/kubelet, sha256: 0123456789abcdef...}]
"""

RETURN = r"""
installed: {description: Names of the programs that were not there or differed., type: list, returned: always}
"""

BLOCK_BYTES = 1 << 20


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, an empty string where there is none."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def main() -> None:
    module = AnsibleModule(
        {
            "binaries": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {name: {"type": "str", "required": True} for name in ("name", "path", "sha256")},
            },
            "directory": {"type": "path", "required": True},
            "destination": {"type": "path", "default": "/usr/bin"},
        },
        supports_check_mode=True,
    )
    destination = Path(module.params["destination"])
    wanted = [
        binary for binary in module.params["binaries"] if checksum(destination / binary["name"]) != binary["sha256"]
    ]
    if not module.check_mode:
        for binary in wanted:
            source = Path(module.params["directory"], binary["path"])
            fresh = destination / f"{binary['name']}.new"
            if not source.is_file():
                module.fail_json(msg=f"the bundle has no {source}")
            shutil.copyfile(source, fresh)
            if checksum(fresh) != binary["sha256"]:
                fresh.unlink()
                module.fail_json(msg=f"{source} does not have the checksum that the bundle's index gives for it")
            fresh.chmod(0o755)
            fresh.replace(destination / binary["name"])
    module.exit_json(changed=bool(wanted), installed=[binary["name"] for binary in wanted])


if __name__ == "__main__":
    main()
