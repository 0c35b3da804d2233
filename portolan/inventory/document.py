"""The inventory document: a pure function from the site and what is known of its hosts."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from portolan.inventory.devices import device_labels, host_devices, site_devices
from portolan.inventory.hosts import MadeHost
from portolan.inventory.identity import site_identity
from portolan.inventory.parts import host_part_variables, part_variables
from portolan.model import Model
from portolan.sites.locations import Tunnel
from portolan.sites.schema import Host, HostRole, Location, Pool, Site
from portolan.sizing.features import FEATURES, plan_features
from portolan.sizing.placement import location_labels, location_taints
from portolan.sizing.plan import Plan

LABEL_PREFIX = "portolan.dev/"
API_PORT = 6443
LOAD_BALANCER_PORT = 8443  # beside the API server's own on the same hosts


class Sources(Model):
    """Everything that an inventory is made from."""

    site: Site
    plan: Plan | None = None
    made: dict[str, MadeHost] = {}
    state: str
    tunnel_generation: int = 0  # of the tunnel's keys: raised by `portolan tunnel rotate`
    bundle: str
    binaries: tuple[dict[str, str], ...] = ()
    images: tuple[dict[str, Any], ...] = ()
    charts: tuple[str, ...] = ()
    authorities: dict[str, str] = {}  # that the site names: path to PEM
    debian_digest: str = ""  # of the bundle's Debian packages; empty where it has none


def inventory(sources: Sources) -> dict[str, Any]:
    """Return the document that Ansible expects of a dynamic inventory called with `--list`.

    >>> sorted(inventory(sources))  # doctest: +SKIP
    ['_meta', 'all', 'audited', 'banning', 'benchmarked', 'control_plane', 'cpu', 'file_integrity', ...]
    """
    nodes = sources.site.hosts.nodes
    features = {feature.name: list(feature.hosts) for feature in plan_features(sources.site)}
    workers = [node for node in nodes if node.role is HostRole.WORKER]
    return {
        "_meta": {"hostvars": {node.name: host_variables(sources, node) for node in nodes}},
        "all": {"children": ["control_plane", "workers"], "vars": site_variables(sources)},
        "control_plane": {"hosts": [node.name for node in nodes if node.role is HostRole.CONTROL_PLANE]},
        "workers": {"hosts": [node.name for node in workers]},
        **({"vpn": {"hosts": ends}} if (ends := gateways(sources.site)) else {}),
        **{pool.value: {"hosts": [node.name for node in workers if node.pool is pool]} for pool in Pool},
        # A group for each feature, empty where no host has it: its play then passes at once.
        **{name: {"hosts": features.get(name, [])} for name in FEATURES},
    }


def site_variables(sources: Sources) -> dict[str, Any]:
    """Return the variables that hold for every host of the site."""
    site = sources.site
    return {
        "ansible_python_interpreter": "/usr/bin/python3",
        "site_name": site.name,
        "site_state": sources.state,
        "site_hosts": [
            {"name": node.name, "address": address}
            for node in site.hosts.nodes
            if (address := host_address(sources, node)) is not None
        ],
        "network_hosts": str(site.host_ranges[0]),
        "network_host_ranges": [str(one) for one in site.host_ranges],
        "network_pods": str(site.network.pods),
        "network_services": str(site.network.services),
        "network_plugin": site.network.plugin,
        "network_virtual_address": str(site.virtual_address or ""),
        "network_load_balancer": site.network.load_balancer,
        "network_published": [one.model_dump(mode="json") for one in site.network.published],
        **api_endpoint(sources),
        "security_operators": [str(one) for one in site.security.operators],
        "security_clients": [str(one) for one in site.security.clients],
        "security_intrusion_rules": list(site.security.intrusion_rules),
        "portolan_bundle": sources.bundle,
        "portolan_charts": list(sources.charts),
        "portolan_debian_digest": sources.debian_digest,
        "portolan_binaries": list(sources.binaries),
        "portolan_images": list(sources.images),
        **location_variables(sources),
        **part_variables(site),
        **site_devices(sources.site),
        **site_identity(sources.site, sources.authorities),
        **versions(sources),
    }


def api_endpoint(sources: Sources) -> dict[str, str]:
    """Return where everybody reaches the API: the virtual address' load balancer, else the first control plane."""
    if sources.site.virtual_address is not None:
        return {"api_endpoint": f"{sources.site.virtual_address}:{LOAD_BALANCER_PORT}"}
    nodes = sources.site.hosts.nodes
    first = next((node for node in nodes if node.role is HostRole.CONTROL_PLANE), None)
    address = host_address(sources, first) if first is not None else None
    return {"api_endpoint": f"{address}:{API_PORT}"} if address is not None else {}


def _made_endpoint(sources: Sources, location: Location) -> str | None:
    """Return the outer address that the sandbox gave a gateway."""
    made = sources.made.get(str(location.gateway))
    return made.endpoint if made else None


def gateways(site: Site) -> list[str]:
    """Return the hosts that end the tunnel, one a location; of one location's cluster, its own."""
    if site.member_of is not None:
        return [site.member_of.gateway]
    return [str(location.gateway) for location in site.locations.places] if site.locations else []


def location_variables(sources: Sources) -> dict[str, Any]:
    """Return what every host knows of the locations and of the tunnel between them; nothing where there are none."""
    site = sources.site
    if site.member_of is not None:
        member = site.member_of
        here = str(site.network.hosts)
        return filter_variables(member.tunnel, [(here, str(one.hosts)) for one in member.neighbours])
    if site.locations is None:
        return {}
    tunnel = site.locations.tunnel
    known = {node.name: host_address(sources, node) for node in site.hosts.nodes}
    return {
        "site_locations": [
            {
                "name": location.name,
                "kind": location.kind,
                "range": str(location.hosts),
                "gateway": location.gateway,
                "gateway_address": known.get(str(location.gateway)),
                "endpoint": location.endpoint or _made_endpoint(sources, location),
                "hosts": {node.name: known[node.name] for node in site.hosts.nodes if node.location == location.name},
            }
            for location in site.locations.places
        ],
        **filter_variables(tunnel, [(str(one), str(other)) for one, other in combinations(site.host_ranges, 2)]),
        "tunnel_joins_clusters": site.locations.clusters == "one-a-location",
        "tunnel_mtu_bytes": tunnel.mtu_bytes,
        "tunnel_keepalive_seconds": tunnel.keepalive_seconds,
        "tunnel_generation": sources.tunnel_generation,
    }


def filter_variables(tunnel: Tunnel, ways: list[tuple[str, str]]) -> dict[str, Any]:
    """Return what the hosts' packet filter has to let in and through for the tunnel."""
    ports = [tunnel.port, tunnel.port + 1]  # the second serves while keys are rotated
    return {
        "firewall_more_services": [
            {"name": "tunnel between locations", "to": ["vpn"], "from": ["any"], "protocol": "udp", "ports": ports}
        ],
        "firewall_forwarded": [{"from": one, "to": other} for one, other in ways],
        "tunnel_port": tunnel.port,
    }


def versions(sources: Sources) -> dict[str, str]:
    """Return the versions that the playbooks name, as the bundle's image references have them."""
    tags = dict(image["reference"].rsplit(":", 1) for image in sources.images)
    kubernetes = tags.get("registry.k8s.io/kube-apiserver")
    return {
        name: value
        for name, value in {
            "kubernetes_version": kubernetes,
            "etcd_image_tag": tags.get("registry.k8s.io/etcd"),
            "coredns_image_tag": tags.get("registry.k8s.io/coredns/coredns"),
            "pause_image": f"registry.k8s.io/pause:{tags['registry.k8s.io/pause']}"
            if "registry.k8s.io/pause" in tags
            else None,
        }.items()
        if value is not None
    }


def host_variables(sources: Sources, node: Host) -> dict[str, Any]:
    """Return the variables of one host: how to reach it, what it is, and what is particular about it."""
    made = sources.made.get(node.name)
    shell = sources.site.hosts.ssh
    known_hosts = f"{sources.state}/ssh/known_hosts"
    checking = "yes" if made else "accept-new"
    variables: dict[str, Any] = {
        "ansible_user": made.ssh_user if made else shell.user,
        "ansible_port": made.ssh_port if made else shell.port,
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking={checking}",
        "node_role": node.role.value,
        "node_pool": node.pool.value,
        "node_labels": node_labels(sources, node),
        "node_annotations": node_annotations(node),
        **({"node_location": node.location} if node.location else {}),
        "node_taints": list(location_taints(sources.site, node)),
        "node_capacity": {name: str(count) for name, count in sorted(node.simulated_accelerators.items())},
        **host_devices(sources.site, node),
        **host_part_variables(sources.site, node),
    }
    address = host_address(sources, node)
    if address is not None:
        variables["ansible_host"] = address
    key = made.private_key if made and made.private_key else shell.private_key
    if key is not None:
        variables["ansible_ssh_private_key_file"] = key
    return variables | (made.facts if made else {})


def host_address(sources: Sources, node: Host) -> str | None:
    """Return a host's address: of the made host, else of the site file."""
    made = sources.made.get(node.name)
    return made.address if made else node.address


def node_labels(sources: Sources, node: Host) -> dict[str, str]:
    """Return the labels that a node carries: the plan's own, and what every reader may rely on."""
    planned: dict[str, str] = {}
    if sources.plan is not None:
        planned = next((dict(host.labels) for host in sources.plan.hosts if host.name == node.name), {})
    labels = {LABEL_PREFIX + "site": sources.site.name} | location_labels(sources.site, node)
    if node.role is HostRole.WORKER:
        labels[LABEL_PREFIX + "pool"] = node.pool.value
        labels[f"node-role.kubernetes.io/{node.pool.value}"] = ""
    if node.simulated_accelerators:
        labels[LABEL_PREFIX + "accelerator"] = "simulated"
    labels |= device_labels(sources.site, node)
    return dict(sorted((planned | labels).items()))


def node_annotations(node: Host) -> dict[str, str]:
    """Return the annotations of a node; simulated accelerators are named as what they are."""
    if not node.simulated_accelerators:
        return {}
    listed = ",".join(f"{name}={count}" for name, count in sorted(node.simulated_accelerators.items()))
    return {LABEL_PREFIX + "simulated-accelerators": listed}
