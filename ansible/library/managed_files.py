#!/usr/bin/python
"""Write all files of a role in one call, each in one step; what is as wanted is left alone."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: managed_files
short_description: Write small files, with their directories, in one call
description:
  - As M(ansible.builtin.copy) with C(content) for each file, but one call to the host instead of several a file.
  - Files belong to root. Missing parent directories are made with mode 0755.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Where it lies., type: path, required: true}
      content: {description: What it holds., type: str, required: true}
      mode: {description: Its permissions., type: str, default: "0644"}
      validate: {description: A command that must succeed; %s is the new file., type: str}
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Write the configuration
  managed_files:
    files:
      - path: /etc/sysctl.d/60-portolan.conf
        content: |
          net.ipv4.ip_forward = 1
"""

RETURN = r"""
written: {description: Paths of the files that were not as wanted., type: list, returned: always}
"""


def current(path: Path) -> tuple[str | None, int | None]:
    """Return a file's text and permissions, (None, None) where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace"), stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None, None


def main() -> None:
    module = AnsibleModule(
        {
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True},
                    "mode": {"type": "str", "default": "0644"},
                    "validate": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    written, difference = [], []
    for wanted in module.params["files"]:
        path, mode = Path(wanted["path"]), int(wanted["mode"], 8)
        text, permissions = current(path)
        if text == wanted["content"] and permissions == mode:
            continue
        written.append(str(path))
        difference.append(
            {"before_header": str(path), "after_header": str(path), "before": text or "", "after": wanted["content"]}
        )
        if module.check_mode:
            continue
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(wanted["content"])
        fresh.chmod(mode)
        if wanted["validate"]:
            command = [str(fresh) if word == "%s" else word for word in shlex.split(wanted["validate"])]
            tried = subprocess.run(command, check=False, capture_output=True, text=True)
            if tried.returncode != 0:
                fresh.unlink()
                module.fail_json(msg=f"{path} would not be valid: {tried.stderr.strip() or tried.stdout.strip()}")
        fresh.replace(path)
    module.exit_json(changed=bool(written), written=written, diff=difference)


if __name__ == "__main__":
    main()
