"""What the packet filter lets in on each kind of host: exactly the ports that its groups need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.ansible.loading import ANSIBLE, load

firewall = load("filter_plugins/firewall.py")
DEFAULTS: dict[str, Any] = YAML(typ="safe").load((ANSIBLE / "roles/firewall/defaults/main.yml").read_text("utf-8"))
GROUPS = {
    "control_plane": ["control-1"],
    "workers": ["worker-1"],
    "nfs_server": [],
    "firewall": ["control-1", "worker-1"],
}
ADDRESSES = {"control-1": "10.20.0.10", "worker-1": "10.20.0.11"}
RANGES = {
    "operators": ["0.0.0.0/0"],
    "administrators": ["10.20.0.0/24"],
    "clients": ["0.0.0.0/0"],
    "pods": ["10.96.0.0/12"],
    "network": ["10.20.0.0/24"],
}


def plan(host: str, *, plugin: str = "bridge", **more: Any) -> dict[str, Any]:
    # What the site fills in: the ports of SSH, of the API's load balancer, of the tunnel.
    ports = {"SSH": [22], "load balancer of the API": [6443], "published services": [], "tunnel": [51820, 51821]}
    services = [{**one, "ports": ports.get(one["name"], one.get("ports"))} for one in DEFAULTS["firewall_services"]]
    services = [{key: value for key, value in one.items() if value is not None} for one in services]
    known = {"groups": GROUPS, "addresses": ADDRESSES, "ranges": RANGES, **more}
    found: dict[str, Any] = firewall.firewall_plan(services, host=host, plugin=plugin, **known)
    return found


def open_ports(found: dict[str, Any]) -> set[str]:
    return {rule.split("{ ")[1].split(" }")[0] for rule in found["rules"] if "{ " in rule}


def test_a_worker_opens_ssh_kubelet_kube_proxys_health_and_the_measurement_of_links_alone():
    assert open_ports(plan("worker-1")) == {"22", "10250", "10256", "5201"}


def test_a_control_plane_opens_the_api_to_operators_and_etcd_to_its_own_kind():
    found = plan("control-1")
    assert open_ports(found) == {"22", "6443", "2379, 2380", "10250", "5201"}
    assert 'ip saddr @control_plane tcp dport { 2379, 2380 } accept comment "etcd"' in found["rules"]
    assert found["sets"]["control_plane"] == ["10.20.0.10"]


def test_hosts_with_a_virtual_address_hear_each_others_advertisements():
    found = plan("control-1", groups={**GROUPS, "virtual_address": ["control-1"]})
    assert 'ip saddr @virtual_address meta l4proto vrrp accept comment "virtual address"' in found["rules"]
    assert not any("vrrp" in rule for rule in plan("control-1")["rules"])


def test_a_gateway_between_locations_can_be_called():
    assert "51820, 51821" in open_ports(plan("worker-1", groups={**GROUPS, "vpn": ["worker-1"]}))
    assert "51820, 51821" not in open_ports(plan("worker-1"))


def test_named_operators_alone_reach_ssh():
    found = plan("worker-1", ranges={**RANGES, "operators": ["192.0.2.0/28"]})
    assert [rule for rule in found["rules"] if "{ 22 }" in rule] == [
        'ip saddr @operators tcp dport { 22 } accept comment "SSH"'
    ]
    assert found["sets"]["operators"] == ["192.0.2.0/28"]


@pytest.mark.parametrize(("plugin", "port"), [("cilium", "4789, 8472"), ("calico", "179, 5473")])
def test_a_network_plugin_opens_what_it_speaks_and_no_other_does(plugin: str, port: str):
    assert port in open_ports(plan("worker-1", plugin=plugin))
    assert port not in open_ports(plan("worker-1"))


def test_a_source_without_hosts_opens_nothing():
    service = {"name": "x", "to": ["all"], "from": ["nfs_server"], "protocol": "tcp", "ports": [1]}
    found = firewall.firewall_plan(
        [service], host="worker-1", groups=GROUPS, addresses=ADDRESSES, ranges=RANGES, plugin="bridge"
    )
    assert found == {"sets": {}, "rules": []}


def test_every_service_says_what_it_is_and_whom_it_serves():
    for service in DEFAULTS["firewall_services"]:
        assert (
            {"name", "to", "from", "protocol"} <= set(service) <= {"name", "to", "from", "protocol", "ports", "plugins"}
        )


def test_the_service_never_flushes_the_tables_of_others():
    texts = [path.read_text("utf-8") for path in Path(ANSIBLE / "roles/firewall").rglob("*") if path.is_file()]
    assert not any("flush ruleset" in text or "name: nftables" in text for text in texts)
