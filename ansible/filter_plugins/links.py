"""From a host's links to what systemd-networkd reads, and what speaks against making them."""

from __future__ import annotations

from typing import Any

DIRECTORY = "/etc/systemd/network"
PREFIX = "05-portolan-"
OTHERS = f"{DIRECTORY}/06-portolan-others.network"
# What a connection can have on its way at once: rate times time there and back (RFC 7323, section 1.1), twice, within
# a data centre. The kernel's own largest receive buffer is 6 MiB (ip-sysctl, tcp_rmem).
ROUND_TRIP_SECONDS = 0.001
KERNEL_BUFFER_BYTES = 6 * 2**20


def section(name: str, *lines: str) -> str:
    return f"[{name}]\n" + "".join(f"{line}\n" for line in lines)


def network_files(links: list[dict[str, Any]], alone: bool, begun: bool = False) -> list[dict[str, str]]:
    """Return the files that make the links; `alone`: nothing else of the host is systemd-networkd's business.

    Once it runs for the role (`begun`), it is told so even when no link is left: the distribution's own files would
    otherwise give it the host's own.
    """
    files = {}
    vlans: dict[str, list[str]] = {}
    for link in links:
        if link["kind"] == "vlan":
            vlans.setdefault(link["vlan"]["of"], []).append(link["name"])
    for link in links:
        name = link["name"]
        if link["kind"] in ("bond", "vlan"):
            files[f"{PREFIX}{name}.netdev"] = netdev(link)
        files[f"{PREFIX}{name}.network"] = network(link, vlans.pop(name, []))
        for member in link["members"]:
            files[f"{PREFIX}{member}.network"] = (
                section("Match", f"Name={member}")
                + section("Link", f"MTUBytes={link['mtu_bytes']}", "RequiredForOnline=no")
                + section("Network", f"Bond={name}", "LinkLocalAddressing=no", "IPv6AcceptRA=no")
            )
        for adapter in link["members"] or [name]:
            properties = adapter_properties(link)
            if properties:
                files[f"{PREFIX}{adapter}.link"] = (
                    section("Match", f"OriginalName={adapter}")
                    # The name stays: without these a file of ours would take the place of the policy that gave it.
                    + section("Link", "NamePolicy=keep kernel database onboard slot path", *properties)
                )
    for below, names in vlans.items():  # VLANs on an adapter that is no link of the list
        files[f"{PREFIX}{below}.network"] = (
            section("Match", f"Name={below}")
            + section("Link", "RequiredForOnline=no")
            + section("Network", *(f"VLAN={name}" for name in names), "LinkLocalAddressing=no", "IPv6AcceptRA=no")
        )
    made = [
        {"path": f"{DIRECTORY}/{name}", "content": f"# Managed by Portolan.\n{text}"} for name, text in files.items()
    ]
    if alone and (links or begun):
        made.append(
            {
                "path": OTHERS,
                "content": "# Managed by Portolan. Every other link is somebody else's.\n"
                + section("Match", "Name=*")
                + section("Link", "Unmanaged=yes"),
            }
        )
    return made


def netdev(link: dict[str, Any]) -> str:
    """Return the file that makes a link which is no adapter."""
    text = section("NetDev", f"Name={link['name']}", f"Kind={link['kind']}", f"MTUBytes={link['mtu_bytes']}")
    if link["kind"] == "vlan":
        return text + section("VLAN", f"Id={link['vlan']['id']}")
    lines = [f"Mode={link['mode']}", "MIIMonitorSec=100ms"]
    if link["mode"] == "802.3ad":
        lines += ["LACPTransmitRate=fast", "MinLinks=1"]
    if link["mode"] != "active-backup":
        lines.append("TransmitHashPolicy=layer3+4")
    return text + section("Bond", *lines)


def network(link: dict[str, Any], vlans: list[str]) -> str:
    """Return the file of a link's addresses. It gives no default route: the host's own stays."""
    text = section("Match", f"Name={link['name']}")
    text += section("Link", f"MTUBytes={link['mtu_bytes']}", "RequiredForOnline=no")
    lines = [f"Address={one}" for one in link["addresses"]] + [f"VLAN={name}" for name in vlans]
    text += section("Network", *lines, "LinkLocalAddressing=no", "IPv6AcceptRA=no", "ConfigureWithoutCarrier=yes")
    if link.get("infiniband"):
        text += section("IPoIB", f"Mode={link['infiniband']}")
    return text


def adapter_properties(link: dict[str, Any]) -> list[str]:
    """Return what the adapter itself is told: speed, pause frames, and rings as long as it has them."""
    found = []
    if "speed_gigabits" in link:
        found += [f"BitsPerSecond={link['speed_gigabits']}G", "Duplex=full", "AutoNegotiation=yes"]
    if "flow_control" in link:
        word = "yes" if link["flow_control"] else "no"
        found += [f"RxFlowControl={word}", f"TxFlowControl={word}", "AutoNegotiationFlowControl=no"]
    if link.get("largest_buffers"):
        found += ["RxBufferSize=max", "TxBufferSize=max"]
    return found


def network_parameters(links: list[dict[str, Any]]) -> dict[str, str]:
    """Return the kernel parameters that the fastest link needs; none where the kernel's own suffice."""
    fastest = max((link.get("speed_gigabits", 0) for link in links), default=0)
    needed = 2 * int(fastest * 1e9 / 8 * ROUND_TRIP_SECONDS)
    if needed <= KERNEL_BUFFER_BYTES:
        return {}
    return {
        "net.core.rmem_max": str(needed),
        "net.core.wmem_max": str(needed),
        "net.ipv4.tcp_rmem": f"4096 131072 {needed}",
        "net.ipv4.tcp_wmem": f"4096 16384 {needed}",
        "net.ipv4.tcp_mtu_probing": "1",
    }


def network_problems(links: list[dict[str, Any]], seen: dict[str, Any], host: str) -> list[str]:
    """Return why the links may not be made on this host, each with its remedy; nothing has been changed then."""
    wanted = {name for link in links for name in (link["name"], *link["members"])}
    wanted |= {link["vlan"]["of"] for link in links if link["kind"] == "vlan"}
    problems = []
    made = {link["name"] for link in links if link["kind"] in ("bond", "vlan")}
    for name in sorted(wanted & set(seen["carriers"])):
        problems.append(
            f"link {name} of {host} carries the connection that this run comes over: it is left as it is. "
            "Remedy: take it out of `links`, and set it in the host's own network configuration, at its console"
        )
    for name in sorted((wanted - set(seen["carriers"])) & set(seen["others"])):
        problems.append(
            f"link {name} of {host} is configured in {seen['others'][name]} already. "
            "Remedy: take it out there, or out of `links`"
        )
    for name in sorted(wanted - made - set(seen["links"])):
        problems.append(
            f"{host} has no link {name}; it has {', '.join(sorted(seen['links']))}. "
            "Remedy: correct the name in the site file"
        )
    return problems


def network_differences(links: list[dict[str, Any]], seen: dict[str, Any]) -> list[str]:
    """Return what is not yet as wanted, of what can be seen of a link: size, addresses, members."""
    found = []
    for link in links:
        name, now = link["name"], seen["links"].get(link["name"])
        if now is None:
            found.append(f"there is no link {name}")
            continue
        if now["mtu_bytes"] != link["mtu_bytes"]:
            found.append(f"{name} has frames of {now['mtu_bytes']} bytes, not of {link['mtu_bytes']}")
        found += [f"{name} has no address {one}" for one in link["addresses"] if one not in now["addresses"]]
        for member in link["members"]:
            if seen["links"].get(member, {}).get("master") != name:
                found.append(f"{member} is no member of {name}")
    return found


class FilterModule:
    """The filters' names in templates."""

    def filters(self) -> dict[str, Any]:
        return {
            "network_differences": network_differences,
            "network_files": network_files,
            "network_parameters": network_parameters,
            "network_problems": network_problems,
        }
