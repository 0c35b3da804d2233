#!/usr/bin/python
"""Lay a host's data disks: encryption, logical volume and file system, on devices that carry nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: data_disks
short_description: Lay LUKS, LVM and XFS on empty devices, and never on others
description:
  - A device is known again by the identifiers of its layers. One that carries anything else is refused, with or without
    a signature.
  - A run that was cut short between two layers is continued.
options:
  disks:
    description: "The disks; each with C(name), C(device), C(least_bytes), C(layers), C(identities) and C(tang)."
    type: list
    elements: dict
    required: true
  key:
    description: Passphrase of those that are encrypted.
    type: str
    default: ""
  look_only:
    description: Only say what is wrong, without failing and without changing anything.
    type: bool
    default: false
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Lay the disks
  data_disks:
    disks:
      - name: data
        device: /dev/disk/by-id/nvme-1
        least_bytes: 1000000000
        layers: [xfs]
        identities: {xfs: 0a0b0c0d-0000-5000-8000-000000000000}
"""

RETURN = r"""
problems: {description: "Why a disk cannot be laid, each with its remedy.", type: list, returned: always}
laid: {description: "Layers that were made, or would be, as NAME/LAYER.", type: list, returned: always}
"""

SAMPLES = 64  # places of a device that are looked at, its beginning and its end among them
SAMPLE_BYTES = 65536
SIGNATURES = {"luks": "crypto_LUKS", "lvm": "LVM2_member", "xfs": "xfs"}


def problem(disk: dict, what: str, remedy: str) -> str:
    """Return one line that names the disk, what is wrong and what to do."""
    return f"disk {disk['name']} ({disk['device']}): {what}. Remedy: {remedy}."


def judge(disk: dict, layer: str, seen: dict) -> tuple[str, str]:
    """Return ("there" | "to make" | "refused", why): whether a layer lies on a device already; pure.

    `seen` is what `look` returns. Only what is certainly empty is ever written to.
    """
    wipe = "if it may go, wipe it by hand (wipefs --all, then blkdiscard --zeroout), else name another device"
    if not seen["exists"]:
        return "refused", problem(
            disk, "there is no such block device", "correct the site file (ls -l /dev/disk/by-id)"
        )
    if seen["size_bytes"] < disk["least_bytes"] and layer == disk["layers"][0]:
        return "refused", problem(
            disk,
            f"it has {seen['size_bytes'] / 1e9:.1f} GB, and the site file asks for {disk['least_bytes'] / 1e9:.1f} GB",
            "use a larger disk, or lower least_gigabytes",
        )
    found = seen["signature"]
    if found == SIGNATURES[layer] and seen["uuid"] == disk["identities"][layer]:
        return "there", ""
    if found:
        told = f"it carries {found} {seen['uuid']}".rstrip()
        return "refused", problem(disk, f"{told}, which this site did not lay there", wipe)
    if seen["in_use"]:
        return "refused", problem(disk, f"it is in use: {seen['in_use']}", "take it out of use, or name another device")
    if not seen["blank"]:
        return "refused", problem(disk, "it carries data that this site did not lay there", wipe)
    return "to make", ""


def run(command: list[str], text: str = "") -> subprocess.CompletedProcess:
    """Run a command without failing; its input is a secret or nothing. A program that is missing ends with 127."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True, input=text, env=environment)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]} is not installed")


def in_use(device: Path) -> str:
    """Return by what a device, or a partition of it, is held: a mount, swap or another device; empty by nothing."""
    number = device.stat().st_rdev
    folder = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    parts = [one.parent for one in folder.glob("*/partition")]
    numbers = {(one / "dev").read_text().strip() for one in parts} | {folder.name}
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        fields = line.split()
        if fields[2] in numbers:
            return f"mounted at {fields[4]}"
    if any(Path(line.split()[0]).resolve() == device.resolve() for line in swaps()):
        return "swap"
    holders = (one.name for one in folder.glob("holders/*"))
    return ", ".join(sorted([*(f"held by {one}" for one in holders), *(f"partition {one.name}" for one in parts)]))


def swaps() -> list[str]:
    """Return the lines of /proc/swaps that name a device."""
    try:
        return [line for line in Path("/proc/swaps").read_text().splitlines()[1:] if line.startswith("/")]
    except OSError:
        return []


def blank(device: Path, size: int) -> bool:
    """Tell whether samples over the whole device, its first and last blocks among them, hold nothing but zeros."""
    step = max(SAMPLE_BYTES, (size - SAMPLE_BYTES) // (SAMPLES - 1))
    places = sorted({*range(0, max(size - SAMPLE_BYTES, 0) + 1, step), max(size - SAMPLE_BYTES, 0)})
    with device.open("rb", buffering=0) as stream:
        for place in places:
            stream.seek(place)
            if any(stream.read(SAMPLE_BYTES) or b""):
                return False
    return True


def look(path: str, sampled: bool) -> dict:
    """Return what lies on a device. `sampled`: a device that shows no signature is also read for data."""
    device = Path(path)
    if not device.exists() or not stat.S_ISBLK(device.stat().st_mode):
        return {"exists": False}
    with device.open("rb", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
    # By reading the device itself: what udev noted may be of another day.
    told = run(["blkid", "--probe", "--output", "export", path])
    if told.returncode not in (0, 2):
        found = {"TYPE": "several signatures at once"}
    else:
        found = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
    signature = found.get("TYPE") or (f"a partition table ({found['PTTYPE']})" if "PTTYPE" in found else "")
    return {
        "exists": True,
        "size_bytes": size,
        "signature": signature,
        "uuid": found.get("UUID", ""),
        "in_use": in_use(device),
        "blank": not sampled or bool(signature) or blank(device, size),
    }


def device_mapper() -> bool:
    """Tell whether the kernel has a device mapper, or takes the module of one."""
    if "device-mapper" in Path("/proc/misc").read_text() or Path("/sys/class/misc/device-mapper").exists():
        return True
    return run(["modprobe", "--dry-run", "dm_mod"]).returncode == 0


# A key of 64 random characters needs no slow derivation; 1000 rounds are the least that cryptsetup takes.
QUICK = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
BY_KEY = ("--batch-mode", "--key-file", "-")


def makes(disk: dict, layer: str, device: str) -> list[list[str]]:
    """Return the commands that make a layer on an empty device; those of LUKS read the key; pure."""
    identity = disk["identities"][layer]
    return {
        "luks": [["cryptsetup", "luksFormat", "--type", "luks2", "--uuid", identity, *QUICK, *BY_KEY, device]],
        "lvm": [["pvcreate", "--yes", "--norestorefile", "--uuid", identity, device]],
        "xfs": [["mkfs.xfs", "-q", "-m", f"uuid={identity}", "-L", disk["name"], device]],
    }[layer]  # fmt: skip


def completes(disk: dict, layer: str, device: str) -> list[tuple[list[str], list[str]]]:
    """Return what a layer has beside its signature, as (how to see it, how to make it); pure.

    Seen where the first command succeeds and prints something. A run that was cut short is continued by these.
    """
    name = group(disk)
    if layer == "lvm":
        return [
            (["vgs", "--noheadings", "--options", "vg_name", name], ["vgcreate", name, device]),
            (
                ["lvs", "--noheadings", "--options", "lv_name", f"{name}/data"],
                ["lvcreate", "--yes", "--wipesignatures", "n", "--extents", "100%FREE", "--name", "data", name],
            ),
        ]
    if layer == "luks" and disk.get("tang"):
        bind = ["clevis", "luks", "bind", "-y", "-k", "-", "-d", device, "tang", json.dumps(disk["tang"])]
        return [(["clevis", "luks", "list", "-d", device], bind)]
    return []


def group(disk: dict) -> str:
    """Return the name of a disk's volume group and of its mapping; pure."""
    return f"portolan_{disk['name']}"


def above(disk: dict, layer: str, device: str) -> str:
    """Return the device on which the next layer lies; pure."""
    return {"luks": f"/dev/mapper/{group(disk)}", "lvm": f"/dev/{group(disk)}/data"}.get(layer, device)


def wakes(disk: dict, layer: str, device: str) -> list[str]:
    """Return the command that makes what is above a layer appear; LUKS' reads the key; pure."""
    return {
        "luks": ["cryptsetup", "open", "--type", "luks2", *BY_KEY, device, group(disk)],
        "lvm": ["vgchange", "--activate", "y", group(disk)],
    }[layer]


def lay(disk: dict, layer: str, device: str, key: str, new: bool) -> tuple[bool, str]:
    """Make a layer, or what an earlier run left out of it, and wake it; return whether any was made, and a fault."""
    commands = makes(disk, layer, device) if new else []
    if (
        layer == "luks"
        and not new
        and run(["cryptsetup", "open", "--test-passphrase", *BY_KEY, device], key).returncode != 0
    ):
        return False, problem(
            disk,
            "the key in the site's state does not open it",
            f"bring back the key that it was made with: secrets/disk-HOST-{disk['name']} in the state",
        )
    for command in commands:
        done = run(command, key)
        if done.returncode != 0:
            return False, failed(disk, command, done)
    for see, make in completes(disk, layer, device):
        seen = run(see)
        if seen.returncode == 0 and seen.stdout.strip():
            continue
        done, new = run(make, key), True
        if done.returncode != 0:
            return new, failed(disk, make, done)
    if layer in ("luks", "lvm") and not Path(above(disk, layer, device)).exists():
        command = wakes(disk, layer, device)
        done = run(command, key)
        if done.returncode != 0:
            return new, failed(disk, command, done)
    return new, ""


def failed(disk: dict, command: list[str], done: subprocess.CompletedProcess) -> str:
    """Return one line about a command that failed; pure."""
    said = " ".join((done.stderr.strip() or done.stdout.strip()).split())
    return problem(disk, f"{command[0]} failed: {said}", "see the host's log (dmesg), mend it, and run it again")


def work(disk: dict, key: str, change: bool) -> tuple[list[str], str]:
    """Bring one disk to its layers; return those that were made, or would be, and what is wrong."""
    device, made = disk["device"], []
    for number, layer in enumerate(disk["layers"]):
        verdict, why = judge(disk, layer, look(device, sampled=number == 0))
        if verdict == "refused":
            return made, why
        if layer in ("luks", "lvm") and not device_mapper():
            return made, problem(
                disk,
                f"the host's kernel has no device mapper, which {layer} needs",
                "use `layout: plain` and no encryption",
            )
        if verdict == "to make" and not change:
            return [*made, *(f"{disk['name']}/{one}" for one in disk["layers"][number:])], ""
        if change:
            new, why = lay(disk, layer, device, key, verdict == "to make")
            made += [f"{disk['name']}/{layer}"] if new else []
            if why:
                return made, why
        device = above(disk, layer, device)
        if not Path(device).exists():
            return made, ""  # closed: what lies inside cannot be seen without opening it
    return made, ""


def main() -> None:
    module = AnsibleModule(
        {
            "disks": {"type": "list", "elements": "dict", "required": True},
            "key": {"type": "str", "default": "", "no_log": True},
            "look_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    change = not (module.check_mode or module.params["look_only"])
    problems, laid = [], []
    # Every disk is looked at before the first is touched.
    for disk in module.params["disks"]:
        problems += [why for why in [work(disk, "", change=False)[1]] if why]
    for disk in [] if problems else module.params["disks"]:
        made, why = work(disk, module.params["key"], change)
        laid += made
        problems += [why] if why else []
    if problems and not module.params["look_only"]:
        module.fail_json(msg="\n".join(problems), problems=problems, laid=laid)
    module.exit_json(changed=bool(laid) and not module.params["look_only"], problems=problems, laid=laid)


if __name__ == "__main__":
    main()
