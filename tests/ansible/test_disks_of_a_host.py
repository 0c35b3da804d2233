"""Data disks on a real host: laid once, mounted at every boot, and never over somebody's data.

The disks are loop devices of this machine. Where its kernel has no device mapper, what LVM and LUKS write on a disk is
written and read all the same; only that they open it is then not measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.ansible.loading import load
from tests.support.bare_site import FINGERPRINT, bare_site, give, loop_devices, site_like
from tests.support.scenario_site import ScenarioSite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME, HOST = "disks", "control-1"
TAGS = ("--tags", "os,data_disks")
KEY = "k" * 64
module = load("library/data_disks.py")


@dataclass(frozen=True)
class Disks:
    """A host with two empty disks, and its site file written anew for each test."""

    site: ScenarioSite

    def want(self, **disk: Any) -> None:
        """Ask for one disk in the site file."""
        wanted = {"host": HOST, "name": "data", "device": "/dev/disk-0", "mount": "/srv/data", "layout": "plain"}
        site_like(self.site.path, self.site.path, storage={"disks": [{**wanted, "least_gigabytes": 0.3, **disk}]})

    def on(self, script: str) -> str:
        return self.site.output_of(HOST, script, seconds=300)

    def changed(self, *arguments: str) -> list[str]:
        """Converge, which must succeed, and return what the role changed."""
        done = self.site.must("converge", *TAGS, "-o", "json", *arguments)
        found = [f"{one['role']} : {one['task']}" for one in json.loads(done.stdout)["changed"]]
        return [one for one in found if one.startswith("data_disks")]

    def refused(self) -> str:
        """Converge, which must be refused and leave the host as it was; return what it said."""
        before = self.on(FINGERPRINT)
        done = self.site.portolan("converge", *TAGS)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("error:") == done.stderr.count("remedy:") == 1
        assert self.on(FINGERPRINT) == before
        return done.stderr


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    folder, nodes = tmp_path_factory.mktemp(NAME), [{"name": HOST, "role": "control-plane"}]
    with loop_devices(folder, 2) as devices, bare_site(folder, NAME, "10.95.2.0/24", nodes, storage={}) as site:
        give(site, HOST, devices)
        yield Disks(site)


def test_a_disk_with_data_is_refused_before_anything_is_changed(disks: Disks):
    disks.want()
    disks.on("echo 'somebody needs this' > /dev/disk-0")
    said = disks.refused()
    assert "control-1: disk data (/dev/disk-0): it carries data that this site did not lay there" in said
    assert disks.on("head --bytes 20 /dev/disk-0") == "somebody needs this\n"
    disks.on("head --bytes 20 /dev/zero > /dev/disk-0")  # it was not needed after all


def test_a_disk_that_is_too_small_is_refused_before_anything_is_changed(disks: Disks):
    disks.want(least_gigabytes=1000)
    assert "it has 0.4 GB, and the site file asks for 1000.0 GB" in disks.refused()


def test_check_mode_says_what_it_would_lay_and_lays_nothing(disks: Disks):
    disks.want()
    assert "data_disks : Lay the disks" in disks.changed("--check")
    assert disks.on("blkid --probe /dev/disk-0 || echo empty") == "empty\n"


def test_a_disk_is_laid_once_and_mounted(disks: Disks):
    disks.want()
    assert "data_disks : Lay the disks" in disks.changed()
    assert disks.on("findmnt --noheadings --output FSTYPE,OPTIONS /srv/data").startswith("xfs")
    disks.on("echo manifest > /srv/data/manifest")
    assert disks.changed() == []
    assert disks.changed("--check") == []
    assert disks.on("cat /srv/data/manifest") == "manifest\n"


def test_it_is_mounted_after_a_restart_of_the_host(disks: Disks):
    disks.site.must("sandbox", "down", "--host", HOST, "--keep-disks")
    disks.site.must("sandbox", "up")
    assert disks.on("systemctl is-system-running --wait >/dev/null; cat /srv/data/manifest") == "manifest\n"
    assert disks.changed() == []


def test_a_disk_that_lost_its_mount_is_mounted_again_with_what_lies_on_it(disks: Disks):
    disks.on("systemctl disable --now portolan-disk-data.service && ! mountpoint /srv/data")
    assert disks.changed() == ["data_disks : Mount the disks, now and at every boot"]
    assert disks.on("cat /srv/data/manifest") == "manifest\n"


def test_lvm_and_luks_ask_for_a_device_mapper(disks: Disks):
    """Laid for real where the kernel has one, refused with the host untouched where it has none."""
    disks.want(device="/dev/disk-1", name="vault", mount="/srv/vault", layout="lvm", encryption="key-file")
    if not module.device_mapper():
        assert "the host's kernel has no device mapper, which luks needs" in disks.refused()
        return
    disks.changed()
    assert disks.on("findmnt --noheadings --output SOURCE /srv/vault").strip() == "/dev/mapper/portolan_vault-data"
    assert disks.changed() == []
    disks.on("systemctl disable --now portolan-disk-vault.service")


# What the module would run for a disk with all three layers, on a device of its own.
VAULT = {
    "name": "vault",
    "identities": {"luks": "0a0b0c0d-0000-5000-8000-000000000000", "lvm": "581408-4ad3-385e-599b-7ad1-e748-d03bb0"},
}


def fed(command: list[str], key: str = KEY) -> str:
    """Return a command as a shell line that reads the key from standard input."""
    words = " ".join(f"'{word}'" for word in command)
    return f"printf %s {key} | {words}"


@pytest.fixture(scope="module")
def tools(disks: Disks) -> Disks:
    disks.on(
        "APT_CONFIG=/etc/portolan/apt.conf DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes "
        "--no-install-recommends cryptsetup-bin clevis-luks lvm2 tang >/dev/null && systemctl start tangd.socket"
    )
    return disks


def test_what_lies_on_an_encrypted_disk_opens_by_its_key_and_by_tang_alone(tools: Disks):
    thumbprint = tools.on("tang-show-keys").strip()
    disk = {**VAULT, "tang": {"url": "http://127.0.0.1", "thp": thumbprint}}
    for command in module.makes(disk, "luks", "/dev/disk-1"):
        tools.on(fed(command))
    ((see, bind),) = module.completes(disk, "luks", "/dev/disk-1")
    assert tools.on(" ".join(see)) == ""
    tools.on(fed(bind))
    assert "http://127.0.0.1" in tools.on(" ".join(see))
    assert f'UUID="{VAULT["identities"]["luks"]}"' in tools.on("blkid --probe /dev/disk-1")

    prove = ["cryptsetup", "open", "--test-passphrase", "--batch-mode", "--key-file", "-", "/dev/disk-1"]
    tools.on(fed(prove))
    assert tools.site.on(HOST, fed(prove, "another")).returncode != 0
    by_tang = f"clevis luks pass -d /dev/disk-1 -s 1 | {' '.join(prove)}"
    tools.on(by_tang)
    tools.on("systemctl stop tangd.socket")
    assert tools.site.on(HOST, by_tang).returncode != 0
    tools.on("wipefs --all --quiet /dev/disk-1")


def test_a_physical_volume_carries_the_identity_that_it_is_known_by(tools: Disks):
    for command in module.makes(VAULT, "lvm", "/dev/disk-1"):
        tools.on(" ".join(command))
    assert f'UUID="{VAULT["identities"]["lvm"]}"' in tools.on("blkid --probe /dev/disk-1")
    (see, make), _ = module.completes(VAULT, "lvm", "/dev/disk-1")
    assert tools.site.on(HOST, " ".join(see)).returncode != 0
    tools.on(" ".join(make))
    assert tools.on(" ".join(see)).split() == ["portolan_vault"]
    tools.on("vgremove --yes portolan_vault && wipefs --all --quiet /dev/disk-1")


def test_a_host_that_goes_back_to_bare_keeps_its_data(disks: Disks):
    disks.want()
    units = json.loads(disks.site.must("inventory", "--host", HOST).stdout)["data_disks"]
    assert [one["unit"] for one in units] == ["portolan-disk-data.service"]
    disks.on("systemctl disable --now portolan-disk-data.service; rm /etc/systemd/system/portolan-disk-data.service")
    assert "data_disks : Say how the disks are opened and mounted" in disks.changed()
    assert disks.on("cat /srv/data/manifest") == "manifest\n"
