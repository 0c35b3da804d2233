#!/usr/bin/python
"""Import into containerd the images that it does not have yet, all in one call."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: container_images
short_description: Import image archives into containerd's namespace k8s.io
description:
  - An image counts as there when containerd lists its reference with the target digest that was recorded at its
    import, and the record's archive has the wanted SHA-256.
options:
  images:
    description: The images that this host needs.
    type: list
    elements: dict
    required: true
    suboptions:
      reference: {description: Full reference., type: str, required: true}
      path: {description: Path of the archive, relative to the directory., type: str, required: true}
      sha256: {description: SHA-256 of the archive., type: str, required: true}
  directory:
    description: Where the archives lie on the host.
    type: path
    required: true
  records:
    description: The file that records what was imported from which archive.
    type: path
    default: /var/lib/portolan/images.json
  import_missing:
    description: With false, only the list of missing images is returned.
    type: bool
    default: true
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Import the images
  container_images:
    directory: /opt/portolan/bundle
    images:
      - reference: registry.k8s.io/pause:3.10.2
        path: images/pause.tar
        sha256: 0123456789abcdef...
"""

RETURN = r"""
missing: {description: The images that were not there before., type: list, returned: always}
"""

CTR = ("ctr", "--namespace", "k8s.io", "images")
BLOCK_BYTES = 1 << 20


def digests() -> dict[str, str]:
    """Return containerd's references and the digest each of them points to."""
    listed = subprocess.run([*CTR, "ls"], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def checksum(path: str) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def missing(images: list[dict], present: dict[str, str], records: dict[str, dict]) -> list[dict]:
    """Return the images that containerd lacks, or has from another archive or with another content."""
    absent = []
    for image in images:
        record = records.get(image["reference"], {})
        same_archive = record.get("sha256") == image["sha256"]
        same_content = record.get("digest") is not None and record["digest"] == present.get(image["reference"])
        if not (same_archive and same_content):
            absent.append(image)
    return absent


def load(path: str) -> dict[str, dict]:
    """Return the records, none where the file is missing or was cut short."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def save(path: str, records: dict[str, dict]) -> None:
    """Write the records in one step."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(records, indent=1, sort_keys=True), encoding="utf-8")
    fresh.replace(target)


def main() -> None:
    module = AnsibleModule(
        {
            "images": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {name: {"type": "str", "required": True} for name in ("reference", "path", "sha256")},
            },
            "directory": {"type": "path", "required": True},
            "records": {"type": "path", "default": "/var/lib/portolan/images.json"},
            "import_missing": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    images, directory = module.params["images"], module.params["directory"]
    records = load(module.params["records"])
    try:
        present = digests()
    except FileNotFoundError:
        if not module.check_mode:
            module.fail_json(msg="containerd's ctr is not installed on this host")
        present = {}
    except subprocess.CalledProcessError as error:
        module.fail_json(msg=f"containerd does not answer: {error.stderr.strip()}")
    absent = missing(images, present, records)
    if module.check_mode or not module.params["import_missing"]:
        module.exit_json(changed=bool(absent) and module.params["import_missing"], missing=absent)
    for image in absent:
        archive = str(Path(directory, image["path"]))
        if not Path(archive).is_file():
            module.fail_json(msg=f"the bundle has no archive {archive} for {image['reference']}")
        if checksum(archive) != image["sha256"]:
            module.fail_json(msg=f"{archive} does not have the checksum that the bundle's index gives for it")
        imported = subprocess.run([*CTR, "import", archive], check=False, capture_output=True, text=True)
        if imported.returncode != 0:
            module.fail_json(msg=f"importing {image['reference']} failed: {imported.stderr.strip()}")
        digest = digests().get(image["reference"])
        if digest is None:
            module.fail_json(msg=f"{archive} was imported, but it does not carry the reference {image['reference']}")
        records[image["reference"]] = {"sha256": image["sha256"], "digest": digest}
        save(module.params["records"], records)
    module.exit_json(changed=bool(absent), missing=absent)


if __name__ == "__main__":
    main()
