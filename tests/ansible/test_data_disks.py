"""What is laid on a disk, and what never is: each refusal is a file named after what lies there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from portolan.inventory.parts import disk_variables
from portolan.sites.schema import Site
from tests.ansible.loading import ANSIBLE, load
from tests.unit.inventory.test_document import SITE

data_disks = load("library/data_disks.py")
CASES = sorted((Path(__file__).parent / "data_disks").glob("*.yaml"))

DISK: dict[str, Any] = {
    "name": "data",
    "device": "/dev/disk/by-id/nvme-1",
    "least_bytes": 10**9,
    "layers": ["luks", "lvm", "xfs"],
    "identities": {
        "luks": "00000000-0000-5000-8000-00000000000a",
        "lvm": "000000-0000-5000-8000-0000-0000-00000b",
        "xfs": "00000000-0000-5000-8000-00000000000c",
    },
}
BLANK: dict[str, Any] = {
    "exists": True,
    "size_bytes": 10**12,
    "signature": "",
    "uuid": "",
    "in_use": "",
    "blank": True,
}
TANG = {"url": "http://tang.port.example", "thp": "DC0I-zb9PlDncsXZdIJIq0L9f5wkb0d8n6_2NdLhJWg"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_disk_is_refused_with_what_lies_there_and_a_remedy(path: Path):
    case = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    disk, seen = {**DISK, **case.get("disk", {})}, {**BLANK, **case.get("seen", {})}
    verdict, why = data_disks.judge(disk, case.get("layer", disk["layers"][0]), seen)
    assert verdict == "refused"
    assert case["says"] in why
    assert why.startswith("disk data (/dev/disk/by-id/nvme-1): ")
    assert " Remedy: " in why


def test_an_empty_disk_is_laid():
    assert data_disks.judge(DISK, "luks", BLANK) == ("to make", "")


@pytest.mark.parametrize(("layer", "signature"), [("luks", "crypto_LUKS"), ("lvm", "LVM2_member"), ("xfs", "xfs")])
def test_a_layer_of_this_site_is_known_again(layer: str, signature: str):
    seen = {
        **BLANK,
        "signature": signature,
        "uuid": DISK["identities"][layer],
        "blank": False,
        "in_use": "held by dm-0",
    }
    assert data_disks.judge(DISK, layer, seen) == ("there", "")


def test_the_key_never_stands_in_a_command():
    layers = [
        *data_disks.makes(DISK, "luks", "/dev/x"),
        *(make for _, make in data_disks.completes({**DISK, "tang": TANG}, "luks", "/dev/x")),
        data_disks.wakes(DISK, "luks", "/dev/x"),
    ]
    assert len(layers) == 3
    assert all("-" in command for command in layers)  # read from standard input


def test_layers_lie_on_each_other():
    assert data_disks.above(DISK, "luks", "/dev/x") == "/dev/mapper/portolan_data"
    assert data_disks.above(DISK, "lvm", "/dev/x") == "/dev/portolan_data/data"
    assert data_disks.above(DISK, "xfs", "/dev/x") == "/dev/x"


def site(**disk: Any) -> Site:
    document = {"host": "worker-1", "name": "data", "device": "/dev/nvme1n1", "mount": "/srv/data", **disk}
    return Site.model_validate({**SITE, "storage": {"disks": [document]}})


def test_a_host_is_told_of_its_own_disks_alone():
    made = site(encryption="key-file")
    (disk,) = disk_variables(made, made.hosts.nodes[1])
    assert disk["layers"] == ["luks", "lvm", "xfs"]
    assert len(set(disk["identities"].values())) == 3
    assert disk_variables(made, made.hosts.nodes[0]) == []


PLAYBOOK = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {preflight_host: {container: false}, data_disks_keys: /etc/portolan/disk-keys}
  tasks:
    - ansible.builtin.template: {src: "{{ template }}", dest: "{{ folder }}/{{ item.unit }}"}
      loop: "{{ disks }}"
"""


def units(folder: Path, disks: list[dict[str, Any]]) -> list[str]:
    """Return the units that the role writes for disks of a host with a kernel of its own."""
    (folder / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    template = ANSIBLE / "roles" / "data_disks" / "templates" / "disk.service.j2"
    more = json.dumps({"disks": disks, "folder": str(folder), "template": str(template)})
    program = Path(sys.executable).parent / "ansible-playbook"
    command = [str(program), "--inventory", "localhost,", "--extra-vars", more, str(folder / "play.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "ANSIBLE_HOME": str(folder)}
    subprocess.run(command, check=True, capture_output=True, env={**environment, "LC_ALL": "C.UTF-8"})
    return [(folder / disk["unit"]).read_text(encoding="utf-8") for disk in disks]


def settings(unit: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}=")]


def test_a_unit_waits_for_its_device_and_opens_from_below_to_above(tmp_path: Path):
    device = "/dev/disk/by-id/nvme-eui.0025+a_1"
    tang = site(device=device, encryption="tang", tang_url=TANG["url"], tang_thumbprint=TANG["thp"])
    keyed = site(device=device, name="keyed", encryption="key-file", layout="plain")
    of_tang, of_key = units(tmp_path, [disk_variables(one, one.hosts.nodes[1])[0] for one in (tang, keyed)])

    command = ["systemd-escape", "--path", "--suffix=device", device]
    escaped = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert settings(of_tang, "Requires") == [escaped]
    assert escaped in settings(of_tang, "After")
    assert "network-online.target" in settings(of_tang, "After")
    opened, woken, _, mounted = settings(of_tang, "ExecStart")
    assert f"clevis luks unlock -d {device} -n portolan_data" in opened
    assert woken.endswith("vgchange --activate y portolan_data")
    assert "/dev/portolan_data/data /srv/data" in mounted
    assert [one.split()[0] for one in settings(of_tang, "ExecStop")] == [
        "/bin/umount",
        "/sbin/vgchange",
        "/sbin/cryptsetup",
    ]

    opened, _, mounted = settings(of_key, "ExecStart")
    assert f"--key-file /etc/portolan/disk-keys/keyed {device} portolan_keyed" in opened
    assert "/dev/mapper/portolan_keyed /srv/data" in mounted
    assert "network-online.target" not in of_key


@pytest.fixture
def blank_device(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Make empty block devices of 400 MB, which XFS asks for at least."""
    made = []

    def make() -> str:
        image = tmp_path / f"disk-{len(made)}.img"
        with image.open("wb") as stream:
            stream.truncate(400 * 1000**2)
        command = ["losetup", "--find", "--show", str(image)]
        made.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
        return made[-1]

    yield make
    for device in made:
        subprocess.run(["losetup", "--detach", device], check=True)


def plain(device: str) -> dict[str, Any]:
    made = site(device=device, layout="plain", least_gigabytes=0.3)
    (disk,) = disk_variables(made, made.hosts.nodes[1])
    return disk


def test_a_run_that_only_looks_writes_nothing(blank_device):
    disk = plain(blank_device())
    assert data_disks.work(disk, "", change=False) == (["data/xfs"], "")
    assert data_disks.look(disk["device"], sampled=True)["blank"]


@pytest.mark.parametrize(
    ("place", "times"),
    [(0, 1), (4096, 1), (200 * 1000**2, 1 << 20), (400 * 1000**2 - 512, 64)],
    ids=["first", "second-block", "middle", "last"],
)
def test_a_device_with_data_is_never_written_to(blank_device, place: int, times: int):
    """In the middle it is found where it is wider than what lies between two places that are looked at."""
    disk, written = plain(blank_device()), b"manifest" * times
    with Path(disk["device"]).open("r+b") as stream:
        stream.seek(place)
        stream.write(written)
    made, why = data_disks.work(disk, "", change=True)
    assert made == []
    assert "it carries data that this site did not lay there" in why
    with Path(disk["device"]).open("rb") as stream:
        stream.seek(place)
        assert stream.read(len(written)) == written


def test_a_device_that_is_mounted_is_never_written_to(blank_device, tmp_path: Path):
    disk = plain(blank_device())
    subprocess.run(["mkfs.ext4", "-q", disk["device"]], check=True)
    (tmp_path / "there").mkdir()
    subprocess.run(["mount", disk["device"], tmp_path / "there"], check=True)
    try:
        assert "it carries ext4" in data_disks.work(disk, "", change=True)[1]
        assert data_disks.in_use(Path(disk["device"])) == f"mounted at {tmp_path / 'there'}"
    finally:
        subprocess.run(["umount", tmp_path / "there"], check=True)
