"""What a machine lacks is told at once, each with its remedy."""

from __future__ import annotations

import pytest

from portolan.sandbox.preflight import MachineFeatures, refusals

GOOD = MachineFeatures(
    user_is_root=True,
    commands_missing=(),
    namespaces_missing=(),
    overlay=True,
    cgroups=True,
    network_refusal="",
    state_file_system="ext2/ext3",
    state_free_bytes=10**12,
    memory_available_bytes=2**36,
)
LACKS = {
    "root": {"user_is_root": False},
    "apt-get install systemd-container": {"commands_missing": ("systemd-nspawn",)},
    "namespaces": {"namespaces_missing": ("cgroup",)},
    "overlay": {"overlay": False},
    "cgroup": {"cgroups": False},
    "bridge": {"network_refusal": "Operation not supported"},
    "PORTOLAN_STATE": {"state_free_bytes": 10**9},
    "btrfs": {"state_file_system": "tmpfs"},
    "memory": {"memory_available_bytes": 2**30},
}


def test_a_good_machine_is_refused_nothing():
    assert refusals(GOOD, 3) == ()


@pytest.mark.parametrize("word", LACKS)
def test_each_lack_is_named_with_a_remedy(word):
    ((what, remedy),) = refusals(GOOD.model_copy(update=LACKS[word]), 3)
    assert word in f"{what} {remedy}"
    assert remedy


def test_hosts_that_run_already_need_no_more_disk_or_memory():
    assert refusals(GOOD.model_copy(update={"state_free_bytes": 0, "memory_available_bytes": 0}), 0) == ()


def test_all_lacks_are_told_in_one_go():
    many = GOOD.model_copy(update={"overlay": False, "state_free_bytes": 0, "memory_available_bytes": 0})
    assert len(refusals(many, 1)) == 3
