"""Which control groups a host is made in, on machines with either version of them or both."""

from __future__ import annotations

from pathlib import Path

from portolan.sandbox.cgroups import parse_hierarchies

BOTH = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
OWN_OF_BOTH = "3:name=systemd:/\n2:memory:/session/7\n1:cpu,cpuacct:/\n0::/session\n"


def test_every_hierarchy_has_the_host_s_group_below_the_current_one():
    parents = {str(one.parent) for one in parse_hierarchies(BOTH, OWN_OF_BOTH)}
    assert parents == {
        "/sys/fs/cgroup/cpu,cpuacct",
        "/sys/fs/cgroup/memory/session/7",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup/unified/session",
    }


def test_controllers_are_told_from_mount_options():
    found = {one.mount_point.name: one.controllers for one in parse_hierarchies(BOTH, OWN_OF_BOTH)}
    assert found["cpu,cpuacct"] == {"cpu", "cpuacct"}
    assert found["systemd"] == {"name=systemd"}
    assert found["unified"] == frozenset()


def test_with_version_2_alone_the_group_is_made_at_the_root():
    mountinfo = "30 23 0:26 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    (only,) = parse_hierarchies(mountinfo, "0::/user.slice/user-0.slice/session-1.scope\n")
    assert only.parent == Path("/sys/fs/cgroup")


def test_a_hierarchy_mounted_twice_counts_once_for_each_place():
    twice = BOTH + "50 31 0:32 / /mnt/memory rw - cgroup cgroup rw,memory\n"
    assert len(parse_hierarchies(twice, OWN_OF_BOTH)) == len(parse_hierarchies(BOTH, OWN_OF_BOTH)) + 1
