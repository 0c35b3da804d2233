"""Sandbox hosts without a cluster, for tests of single roles, and a look at all that a run could leave on one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portolan.sandbox import lifecycle
from tests.support.sandbox import REPOSITORY, portolan
from tests.support.scenario_site import ScenarioSite

SHAPE = REPOSITORY / "tests" / "support" / "sites" / "faults.yaml"
# What a run could leave behind: files and links with their content, mode and owner; packages; what starts at boot and
# what runs; kernel parameters; mounts. A login's own units and sessions are left out.
FINGERPRINT = r"""
set -e
places="/etc /usr/local /opt /root /srv"
find $places -xdev ! -type s -printf '%p %y %m %u %g %l\n' | sort
find $places -xdev -type f -print0 | sort -z | xargs -0 sha256sum
dpkg-query --show --showformat '${Package} ${Version} ${db:Status-Status}\n'
systemctl list-unit-files --no-legend --no-pager | grep -v transient
systemctl list-units --type service --state running --plain --no-legend --no-pager | cut -d ' ' -f 1 | grep -v @ | sort
hostname
sysctl net.ipv4.ip_forward fs.inotify
cut -d ' ' -f 2,3 /proc/mounts | grep -v /run/user | sort
"""


def site_like(path: Path, original: Path, **changes: Any) -> Path:
    """Write a site file that differs from another one (`hosts__nodes=[...]`); returns its path."""
    document = YAML(typ="safe").load(original.read_text(encoding="utf-8"))
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    return path


@contextmanager
def bare_site(
    folder: Path, name: str, network: str, nodes: list[dict[str, Any]], **changes: Any
) -> Iterator[ScenarioSite]:
    """Bring bare hosts up, with a state of their own, and take them down whatever came of it."""
    path = site_like(folder / "site.yaml", SHAPE, name=name, network__hosts=network, hosts__nodes=nodes, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTOLAN_STATE", str(folder / "state"))
        lifecycle.down(name, any_state=True)
        done = portolan("sandbox", "up", path)
        assert done.returncode == 0, done.stderr
        try:
            yield ScenarioSite(path)
        finally:
            lifecycle.down(name, any_state=True)


@contextmanager
def loop_devices(folder: Path, count: int, size_bytes: int = 400 * 1000**2) -> Iterator[list[str]]:
    """Make empty block devices on this machine; XFS asks for 300 MB at least."""
    devices: list[str] = []
    try:
        for number in range(count):
            image = folder / f"disk-{number}.img"
            with image.open("wb") as stream:
                stream.truncate(size_bytes)
            command = ["losetup", "--find", "--show", str(image)]
            devices.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        yield devices
    finally:
        for device in devices:
            subprocess.run(["losetup", "--detach", device], check=True)


def give(site: ScenarioSite, host: str, devices: list[str]) -> None:
    """Let a host have devices of this machine as /dev/disk-0 and so on, at every boot before anything is mounted."""
    for number, device in enumerate(devices):
        numbers = Path(f"/sys/class/block/{Path(device).name}/dev").read_text().strip()
        line = f"b /dev/disk-{number} 0660 root disk - {numbers}"
        site.output_of(host, f"echo '{line}' >> /etc/tmpfiles.d/disks.conf")
    site.output_of(host, "systemd-tmpfiles --create /etc/tmpfiles.d/disks.conf")
