"""What reset removes, compared with what the roles write: a file that a role begins to write is not forgotten."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from ruamel.yaml import YAML

from portolan.inventory.sources import HOST_BINARIES
from tests.ansible.loading import ANSIBLE

# What works on this machine, on clusters that are gone with their folders, or in folders of its own that it empties.
OTHER_ROLES = {"backup", "certificates", "encryption", "reset", "restore", "remove", "upgrade", "images", "preflight"}
# What stays, and why.
KEPT = {
    # Files of the distribution's own, or of packages that stay: a host without them would be less than bare.
    "/etc/hosts", "/etc/fstab", "/etc/issue", "/etc/issue.net", "/etc/apt/apt.conf.d/20auto-upgrades",
    "/etc/nvidia-container-runtime/config.toml",
    # Who people are outlives a cluster: the directory, its data and its keys, and how hosts ask it.
    "/etc/ldap", "/etc/default/slapd", "/etc/krb5kdc", "/etc/krb5.conf", "/usr/local/sbin/portolan-person",
    "/etc/sssd/sssd.conf", "/etc/sudoers.d/10-portolan-directory", "/etc/ssh/sshd_config.d/06-portolan-directory.conf",
}  # fmt: skip
# Named by the site: reset is told of them by the inventory, or asks the host.
BY_SITE = {"/etc/systemd/system/{{ item.unit }}"}
PROGRAMS = "/usr/bin/{{ item.name }}"
WRITTEN = re.compile(r"""^\s*(?:- )?(?:path|dest): "?(?P<plain>/.*?)"?$|'path': '(?P<quoted>/[^']*)'""", re.MULTILINE)
NAMED = re.compile(r"""^\s*- path: "(?P<path>\{\{.*)"$""", re.MULTILINE)


def defaults(role: str) -> dict[str, Any]:
    found = YAML(typ="safe").load((ANSIBLE / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return found or {}


def with_defaults(path: str, role: str) -> str:
    """Return a path with the role's own variables put in, as far as those are plain."""
    known = {name: value for name, value in defaults(role).items() if isinstance(value, str) and "{{" not in value}
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: known.get(found[1], found[0]), path)


def written(role: str) -> set[str]:
    """Return the paths that a role's tasks write, as they stand there."""
    found = set()
    for file in sorted((ANSIBLE / "roles" / role / "tasks").glob("*.yml")):
        text = file.read_text(encoding="utf-8")
        found |= {one["plain"] or one["quoted"] for one in WRITTEN.finditer(text)}
        found |= {with_defaults(one["path"], role) for one in NAMED.finditer(text)}
    return {path for path in found if path.startswith(("/etc", "/usr", "/var", "/opt"))}


ROLES = sorted({path.name for path in (ANSIBLE / "roles").iterdir() if path.is_dir()} - OTHER_ROLES)
REMOVED = [*defaults("reset")["reset_known_paths"], *defaults("reset")["reset_emptied_paths"]]


def covers(places: set[str] | list[str], path: str) -> bool:
    return any(PurePosixPath(path).is_relative_to(place) for place in places)


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_writes_is_removed_or_stays_for_a_reason(role: str):
    left = {
        path for path in written(role) - BY_SITE - {PROGRAMS} if not covers(REMOVED, path) and not covers(KEPT, path)
    }
    assert left == set()


def test_the_programs_of_a_node_are_removed():
    assert PROGRAMS in written("kubernetes")
    assert {f"/usr/bin/{name}" for name in HOST_BINARIES} <= set(REMOVED)


def test_what_is_looked_for_is_found():
    """The comparison would pass for ever if it read no paths."""
    assert "/usr/local/lib/portolan/accelerators" in written("gpu")
    assert "/etc/apt/sources.list.d/portolan-accelerators.list" in written("gpu")
    assert "/etc/sysctl.d/61-portolan-links.conf" in written("network")
    assert "/etc/portolan/intrusion/portolan.rules" in written("intrusion_detection")
    assert sum(len(written(role)) for role in ROLES) > 50


def test_nothing_is_both_removed_and_kept():
    assert [path for path in KEPT if covers(REMOVED, path)] == []


def test_what_a_role_starts_at_every_boot_is_stopped():
    """A unit whose file reset removes does not go on running."""
    stopped = set(defaults("reset")["reset_known_services"])
    units = {
        Path(path).name.removesuffix(".service")
        for path in REMOVED
        if re.search(r"/system/portolan-\w+\.service$", path)
    }
    oneshot = {"portolan-integrity", "portolan-benchmark"}  # their timers are
    assert units - oneshot <= stopped
