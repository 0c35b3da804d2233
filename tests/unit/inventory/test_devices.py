"""What the roles `gpu` and `network` are told, and what the plan says of devices."""

from __future__ import annotations

from portolan.inventory.document import Sources, inventory
from portolan.sizing.devices import plan_devices
from portolan.sizing.features import plan_features
from tests.unit.inventory.test_document import sources
from tests.unit.sites.test_devices import site

H100 = {"accelerators": {"model": "h100", "count": 8, "partitions": {"1g.10gb": 4, "3g.40gb": 1}}}
BOND = {"links": [{"name": "bond0", "members": ["ens2", "ens3"], "addresses": ["10.40.0.12/24"], "mtu_bytes": 9000}]}


def document(**more):
    return inventory(Sources(site=site(**more), state="/state", bundle="/bundle"))


def test_hosts_without_devices_are_told_nothing_of_them():
    plain = inventory(sources())
    assert plain["accelerated"] == {"hosts": []}
    assert plain["linked"] == {"hosts": []}
    assert not [name for name in plain["all"]["vars"] if name.startswith("accelerator")]
    assert not {"node_links", "node_accelerators"} & set(plain["_meta"]["hostvars"]["worker-2"])


def test_a_simulated_accelerator_is_no_device():
    assert plan_devices(sources().site) is None


def test_a_host_with_accelerators_is_in_their_group_and_knows_its_own():
    made = document(host=H100)
    assert made["accelerated"]["hosts"] == ["gpu-1"]
    assert made["_meta"]["hostvars"]["gpu-1"]["node_accelerators"] == H100["accelerators"]
    assert made["_meta"]["hostvars"]["gpu-1"]["node_labels"]["portolan.dev/accelerator"] == "h100"


def test_without_a_source_of_packages_the_hosts_own_configuration_serves():
    told = document(host=H100)["all"]["vars"]
    assert told["accelerator_repositories"] == []
    assert told["accelerator_packages"] == ""


def test_repositories_are_those_of_the_site_file():
    repository = {"address": "https://mirror.example/gpu", "key": "/etc/keys/gpu.asc"}
    told = document(host=H100, accelerators={"repositories": [repository], "driver_branch": "580"})["all"]["vars"]
    assert told["accelerator_repositories"] == [{**repository, "suite": "/", "components": []}]
    assert told["accelerator_driver_branch"] == "580"


def test_nodes_carry_their_layout_only_where_the_manager_splits_them():
    label = "nvidia.com/mig.config"
    managed = document(host=H100, accelerators={"partitioning": "manager"})
    assert managed["_meta"]["hostvars"]["gpu-1"]["node_labels"][label] == "portolan-4x1g.10gb-1x3g.40gb"
    assert label not in document(host=H100)["_meta"]["hostvars"]["gpu-1"]["node_labels"]


def test_a_host_with_links_is_in_their_group_and_is_told_what_was_chosen():
    made = document(host=BOND)
    assert made["linked"]["hosts"] == ["gpu-1"]
    (link,) = made["_meta"]["hostvars"]["gpu-1"]["node_links"]
    assert (link["kind"], link["members"], link["mtu_bytes"]) == ("bond", ["ens2", "ens3"], 9000)
    assert link["addresses"] == ["10.40.0.12/24"]
    assert "speed_gigabits" not in link


def test_remote_memory_access_concerns_every_host_and_one_manages_the_subnet():
    made = document(host={}, network={"rdma": {"interfaces": ["ib0"], "subnet_manager": "gpu-1"}})
    assert made["linked"]["hosts"] == ["control-1", "gpu-1"]
    variables = made["_meta"]["hostvars"]
    assert variables["gpu-1"]["node_subnet_manager"] is True
    assert variables["control-1"]["node_subnet_manager"] is False
    assert variables["control-1"]["node_rdma"] is True


def test_the_plan_names_hosts_layouts_and_who_splits():
    plan = plan_devices(site(host=H100, accelerators={"partitioning": "manager", "image_registry": "registry.example"}))
    assert plan is not None
    assert [(host.name, host.model, host.count) for host in plan.hosts] == [("gpu-1", "h100", 8)]
    assert plan.layouts == {"portolan-4x1g.10gb-1x3g.40gb": {"1g.10gb": 4, "3g.40gb": 1}}
    assert plan.image_registry == "registry.example"


def test_features_of_devices_name_the_lines_that_ask_for_them():
    found = {one.name: one for one in plan_features(site(host={**H100, **BOND}))}
    assert found["accelerated"].requirements == ("GPU-9.5.2-01",)
    assert found["linked"].hosts == ("gpu-1",)
