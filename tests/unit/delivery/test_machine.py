"""A machine that cannot carry the site is refused before anything is changed, with the remedy."""

import pytest

from portolan import paths
from portolan.delivery.machine import MachineFacts, refusals, require
from portolan.errors import PortolanError
from portolan.sites import load_site

SITE = load_site(paths.REPOSITORY / "sites" / "sandbox.yaml")
GOOD = MachineFacts(
    user_is_root=True,
    memory_available_bytes=16 * 2**30,
    state_free_bytes=10**12,
    cache_free_bytes=10**12,
    same_disk=True,
    bundle_is_built=False,
    hosts_are_running=False,
)


def test_a_machine_with_enough_of_everything_is_accepted() -> None:
    assert refusals(SITE, GOOD) == ()


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        ({"user_is_root": False}, "root", "sudo"),
        ({"memory_available_bytes": 2**30}, "1.0 GiB of memory", "stop other programs"),
        ({"state_free_bytes": 10**9}, "1.0 GB are free on the disk of the state", "PORTOLAN_STATE"),
        ({"same_disk": False, "cache_free_bytes": 10**9}, "disk of the caches", "PORTOLAN_CACHE"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(change: dict[str, object], what: str, remedy: str) -> None:
    ((found, mend),) = refusals(SITE, GOOD.model_copy(update=change))

    assert what in found
    assert remedy in mend


def test_a_warm_bundle_needs_less_disk_than_a_cold_one() -> None:
    tight = GOOD.model_copy(update={"state_free_bytes": 12 * 10**9})

    assert refusals(SITE, tight) != ()
    assert refusals(SITE, tight.model_copy(update={"bundle_is_built": True})) == ()


def test_running_hosts_are_not_asked_for_their_memory_again() -> None:
    running = GOOD.model_copy(update={"hosts_are_running": True, "memory_available_bytes": 2**30})

    assert refusals(SITE, running) == ()


def test_all_refusals_come_in_one_error() -> None:
    with pytest.raises(PortolanError) as refused:
        require(SITE, GOOD.model_copy(update={"user_is_root": False, "memory_available_bytes": 0}))

    assert "root" in refused.value.what
    assert "memory" in refused.value.what
