"""Accelerators and further links of hosts: what a sound file may say, and what the catalogue knows of it."""

from __future__ import annotations

import pytest

from portolan.costing.book import load_catalogue
from portolan.sites.accelerators import GPUS, fits, profiles_of
from portolan.sites.links import Link
from portolan.sites.schema import Site

GPU = {"name": "gpu-1", "role": "worker", "pool": "gpu", "address": "192.0.2.12"}


def site(*, host: dict[str, object], **more: object) -> Site:
    """Return a site of one control plane and one GPU host."""
    network = {"hosts": "192.0.2.0/24", **more.pop("network", {})}
    nodes = [{"name": "control-1", "role": "control-plane", "address": "192.0.2.11"}, {**GPU, **host}]
    return Site.model_validate(
        {
            "name": "harbour",
            "tier": "production",
            "topology": "on-prem",
            "workload": {"declarations_per_day": 2000},
            "hosts": {"provider": "existing", "nodes": nodes},
            "network": network,
            **more,
        }
    )


def test_every_gpu_of_the_catalogue_is_known_with_its_capability_and_memory():
    catalogue = {one.id: one.facts for one in load_catalogue().values() if one.kind == "gpu"}
    assert set(GPUS) == set(catalogue)
    for name, gpu in GPUS.items():
        assert catalogue[name]["compute_capability"] == gpu.compute_capability
        if gpu.slice_gigabytes is not None:
            assert catalogue[name]["memory_gigabytes"] == 8 * gpu.slice_gigabytes


@pytest.mark.parametrize(
    ("model", "most"),
    [
        # NVIDIA Multi-Instance GPU User Guide: how many instances of each profile one GPU can have.
        ("a100-40", {"1g.5gb": 7, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2, "4g.20gb": 1, "7g.40gb": 1}),
        ("a100-80", {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1}),
        ("h100", {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1}),
    ],
)
def test_a_gpu_holds_as_many_instances_of_a_profile_as_its_maker_says(model, most):
    profiles = profiles_of(model)
    assert set(profiles) == set(most)
    for name, count in most.items():
        assert fits([profiles[name]] * count)
        assert not fits([profiles[name]] * (count + 1))


@pytest.mark.parametrize(
    ("partitions", "held"),
    [
        ({"3g.40gb": 1, "2g.20gb": 1, "1g.10gb": 2}, True),
        ({"4g.40gb": 1, "2g.20gb": 1, "1g.10gb": 1}, True),
        ({"2g.20gb": 3, "1g.10gb": 1}, True),
        ({"4g.40gb": 1, "3g.40gb": 1}, True),
        ({"4g.40gb": 1, "3g.40gb": 1, "1g.10gb": 1}, False),
        ({"7g.80gb": 1, "1g.10gb": 1}, False),
    ],
)
def test_profiles_are_mixed_where_each_finds_its_place(partitions, held):
    profiles = profiles_of("h100")
    assert fits([profiles[name] for name, count in partitions.items() for _ in range(count)]) is held


def test_a_host_without_the_keys_has_neither_accelerators_nor_links():
    plain = site(host={})
    assert plain.hosts.nodes[1].accelerators is None
    assert plain.hosts.nodes[1].links == ()
    assert plain.accelerators is None


def test_an_old_gpu_is_run_with_the_proprietary_modules():
    made = site(host={"accelerators": {"model": "v100", "count": 4}}, accelerators={"kernel_modules": "proprietary"})
    assert made.hosts.nodes[1].accelerators.count == 4


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        ({"name": "ens2", "mtu_bytes": 9000, "speed_gigabits": 100}, "ethernet"),
        ({"name": "bond0", "members": ["ens2", "ens3"]}, "bond"),
        ({"name": "storage", "vlan": {"id": 40, "of": "bond0"}}, "vlan"),
        ({"name": "ib0", "infiniband": "connected", "mtu_bytes": 65520}, "infiniband"),
    ],
)
def test_a_link_is_what_its_keys_say(link, kind):
    assert Link.model_validate(link).kind == kind


def test_a_vlan_lies_on_a_bond_and_both_have_large_frames():
    bond = {"name": "bond0", "members": ["ens2", "ens3"], "mtu_bytes": 9000}
    vlan = {"name": "storage", "vlan": {"id": 40, "of": "bond0"}, "mtu_bytes": 9000, "addresses": ["10.40.0.12/24"]}
    made = site(host={"links": [bond, vlan]})
    assert [one.kind for one in made.hosts.nodes[1].links] == ["bond", "vlan"]
