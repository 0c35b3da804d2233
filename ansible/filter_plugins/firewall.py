"""Decide what a host's packet filter lets in: a pure function from the site's services to rules of nftables."""

from __future__ import annotations

import ipaddress

EVERYWHERE = "0.0.0.0/0"


def firewall_plan(
    services: list[dict],
    *,
    host: str,
    groups: dict[str, list[str]],
    addresses: dict[str, str],
    ranges: dict[str, list[str]],
    plugin: str,
) -> dict:
    """Return the sets of sources and the rules of one host.

    A service is let in on the hosts of the groups in `to`, from the sources in `from`: names of `ranges`, or groups,
    whose hosts' addresses are meant. `any` is every address. `plugins` narrows a service to these network plugins.

    >>> services = [{"name": "SSH", "to": ["all"], "from": ["any"], "protocol": "tcp", "ports": [22]}]
    >>> firewall_plan(services, host="a", groups={}, addresses={}, ranges={}, plugin="bridge")["rules"]
    ['tcp dport { 22 } accept comment "SSH"']
    """
    mine = {"all"} | {group for group, members in groups.items() if host in members}
    sets: dict[str, list[str]] = {}
    rules: list[str] = []
    for service in services:
        if not mine & set(service["to"]) or plugin not in service.get("plugins", [plugin]):
            continue
        if service.get("ports") == []:
            continue
        for source in service["from"]:
            found = ranges.get(source)
            if found is None:
                found = [addresses[name] for name in groups.get(source, []) if name in addresses]
            if source == "any" or EVERYWHERE in found:
                rules.append(rule(service, "any"))
            elif found:
                sets[source] = collapsed(found)
                rules.append(rule(service, source))
    return {"sets": dict(sorted(sets.items())), "rules": list(dict.fromkeys(rules))}


def rule(service: dict, source: str) -> str:
    """Return one rule of nftables."""
    parts = [] if source == "any" else [f"ip saddr @{source}"]
    if "ports" in service:
        parts.append(f"{service['protocol']} dport {{ {', '.join(map(str, service['ports']))} }}")
    else:
        parts.append(f"meta l4proto {service['protocol']}")
    return " ".join([*parts, "accept", f'comment "{service["name"]}"'])


def collapsed(networks: list[str]) -> list[str]:
    """Return the same addresses in the fewest ranges.

    >>> collapsed(["10.0.0.1", "10.0.0.0/24", "10.0.1.0/24"])
    ['10.0.0.0/23']
    """
    found = ipaddress.collapse_addresses(ipaddress.ip_network(one, strict=False) for one in networks)
    return [str(one.network_address) if one.prefixlen == 32 else str(one) for one in found]


class FilterModule:
    """Make the filters known to Ansible."""

    def filters(self) -> dict:
        return {"firewall_plan": firewall_plan}
