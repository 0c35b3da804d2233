#!/usr/bin/python
"""Read the links of a host: their size, addresses and masters, whose they are, and which carry the connection."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_links
short_description: Read what the role network decides on
description:
  - Changes nothing, so it also runs in check mode.
options:
  ssh_port: {description: The port of the SSH server., type: int, default: 22}
  addresses:
    description: Addresses of the host whose links count as carriers too.
    type: list
    elements: str
    default: []
author: [Portolan (@portolan)]
"""

EXAMPLES = r"""
- name: Look at the links
  host_links:
  register: links
"""

RETURN = r"""
links: {description: "By name: mtu_bytes, addresses, master, below.", type: dict, returned: always}
carriers: {description: Links that the way in and the default route need., type: list, returned: always}
others: {description: "Links that another file than the role's configures, and the file.", type: dict, returned: always}
files: {description: Files of the role that are there., type: list, returned: always}
alone: {description: Whether systemd-networkd runs for the role alone or not at all., type: bool, returned: always}
"""

NETWORKD = Path("/etc/systemd/network")
RUNTIME = Path("/run/systemd/network")
OWN = re.compile(r"0[56]-portolan-.+\.(netdev|network|link)")


def say(*command: str) -> list[dict]:
    told = subprocess.run(["ip", "-json", *command], check=False, capture_output=True, text=True).stdout
    return json.loads(told or "[]")


def links(listed: list[dict]) -> dict[str, dict]:
    """Return each link of `ip -json address`."""
    return {
        one["ifname"]: {
            "mtu_bytes": one.get("mtu", 0),
            "master": one.get("master", ""),
            "below": one.get("link", ""),
            "addresses": [f"{a['local']}/{a['prefixlen']}" for a in one.get("addr_info", ()) if a["family"] == "inet"],
        }
        for one in listed
        if "ifname" in one
    }


def with_what_they_need(names: set[str], known: dict[str, dict]) -> list[str]:
    """Return the links and everything that they lie on: members of a bond or bridge, the adapter below a VLAN."""
    found = set(names)
    while True:
        more = {name for name, one in known.items() if one["master"] in found}
        more |= {known[name]["below"] for name in found if known.get(name, {}).get("below")}
        if more <= found:
            return sorted(found)
        found |= more


def configured(root: Path = Path("/")) -> dict[str, str]:
    """Return the links that ifupdown, or systemd-networkd by files of others, configures."""
    found = {}
    for path in [root / "etc/network/interfaces", *sorted((root / "etc/network/interfaces.d").glob("*"))]:
        if path.is_file():
            for name in re.findall(r"^\s*iface\s+(\S+)\s", path.read_text(errors="replace"), re.MULTILINE):
                found[name] = str(path)
    for folder in (root / "etc/systemd/network", root / "run/systemd/network"):
        for path in sorted(folder.glob("*.network")):
            if not OWN.fullmatch(path.name):
                match = re.search(r"^\[Match\][^\[]*?^Name=(.*)$", path.read_text(errors="replace"), re.MULTILINE)
                for name in match.group(1).split() if match else ():
                    found[name] = str(path)
    found.pop("lo", None)
    return found


def peers(port: int) -> list[str]:
    """Return the addresses that are connected to the SSH server."""
    told = subprocess.run(
        ["ss", "-Htn", "state", "established", f"sport = :{port}"], check=False, capture_output=True, text=True
    ).stdout
    return sorted(
        {line.split()[-1].rpartition(":")[0].strip("[]").removeprefix("::ffff:") for line in told.splitlines()}
    )


def main() -> None:
    module = AnsibleModule(
        {"ssh_port": {"type": "int", "default": 22}, "addresses": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    known = links(say("address"))
    ways = [route for peer in peers(module.params["ssh_port"]) for route in say("route", "get", peer)]
    ways += say("route", "show", "default")
    carriers = {route["dev"] for route in ways if "dev" in route} - {"lo"}
    wanted = set(module.params["addresses"])
    carriers |= {name for name, one in known.items() if wanted & {a.partition("/")[0] for a in one["addresses"]}}
    files = [path for folder in (NETWORKD, RUNTIME) if folder.is_dir() for path in sorted(folder.glob("*.network"))]
    active = subprocess.run(["systemctl", "is-active", "--quiet", "systemd-networkd"], check=False).returncode == 0
    foreign = [path for path in files if not OWN.fullmatch(path.name)]
    own = [str(path) for path in sorted(NETWORKD.glob("*")) if OWN.fullmatch(path.name)]
    module.exit_json(
        changed=False,
        links=known,
        carriers=with_what_they_need(carriers, known),
        others=configured(),
        files=own,
        alone=not foreign and (not active or bool(own)),
    )


if __name__ == "__main__":
    main()
