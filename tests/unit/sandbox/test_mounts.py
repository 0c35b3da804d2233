"""Whatever of a sandbox is mounted is found, deepest first; what is another's is not."""

from __future__ import annotations

from pathlib import Path

from portolan.sandbox.mounts import parse_mount_points

STATE = Path("/var/state/sites/one")
ROOT = "27 1 254:0 / / rw - ext4 /dev/vda rw\n"


def found(line, site=None):
    return parse_mount_points(ROOT + line, STATE, site)


def test_mounts_below_are_found_deepest_first():
    lines = (
        "60 27 0:5 / /var/state/sites/one/a rw - tmpfs tmpfs rw\n61 60 0:6 / /var/state/sites/one/a/b rw - tmpfs t rw\n"
    )
    assert found(lines) == ["/var/state/sites/one/a/b", "/var/state/sites/one/a"]


def test_another_site_with_the_same_beginning_is_not_found():
    assert found("60 27 0:5 / /var/state/sites/one-more/a rw - tmpfs tmpfs rw\n") == []


def test_a_mount_whose_directory_was_removed_is_found():
    assert found("60 27 254:0 / /var/state/sites/one/a//deleted rw - ext4 /dev/vda rw\n")
    assert found("60 27 254:0 /var/state/sites/one/a//deleted /mnt rw - ext4 /dev/vda rw\n") == ["/mnt"]


def test_an_overlay_with_layers_below_is_found_wherever_it_is_mounted():
    line = "60 27 0:5 / /mnt/x rw - overlay overlay rw,lowerdir=/l,upperdir=/var/state/sites/one/u,workdir=/w\n"
    assert found(line) == ["/mnt/x"]


def test_an_overlay_that_names_a_host_is_found_without_any_state():
    line = "60 27 0:5 / /gone/root rw - overlay portolan-one.worker-1 rw,lowerdir=/l,upperdir=/u,workdir=/w\n"
    assert found(line, "one") == ["/gone/root"]
    assert found(line, "other") == []


def test_spaces_in_mount_points_are_understood():
    assert found("60 27 0:5 / /var/state/sites/one/a\\040b rw - tmpfs t rw\n") == ["/var/state/sites/one/a b"]
