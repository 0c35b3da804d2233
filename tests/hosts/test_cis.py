"""Items of the CIS benchmarks that a role does: each is looked at on every host, as the data say."""

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.cis import CHECKED, DATA

ITEMS = YAML(typ="safe").load(DATA.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", CHECKED)
def test_every_item_that_names_a_check_holds(host, kind):
    wrong = [
        f"{section} {item['id']} ({item['what']}): {found}"
        for section in ITEMS
        for item in ITEMS[section]
        if kind in item.get("check", {})
        and not (item.get("own_kernel") and in_container(host))
        and (found := LOOK[kind](host, item["check"]))
    ]
    assert wrong == []


def in_container(host) -> bool:
    return host.run("systemd-detect-virt --container --quiet").rc == 0


def ssh(host, check: dict[str, Any]) -> str:
    settings = dict(line.split(" ", 1) for line in host.check_output("sshd -T").splitlines() if " " in line)
    found = settings.get(check["ssh"], "")
    return "" if found == check["value"] else found or "not set"


def parameter(host, check: dict[str, Any]) -> str:
    found = host.sysctl(check["parameter"])
    return "" if found == check["value"] else str(found)


def mode(host, check: dict[str, Any]) -> str:
    file = host.file(check["mode"])
    if not file.exists:
        return ""  # what is not there permits nothing
    return "" if file.mode & ~int(check["most"], 8) == 0 else oct(file.mode)


def absent(host, check: dict[str, Any]) -> str:
    return "installed" if host.package(check["absent"]).is_installed else ""


def file(host, check: dict[str, Any]) -> str:
    seen = host.file(check["file"])
    lines = [line.strip() for line in seen.content_string.splitlines()] if seen.exists else []
    return "" if check["line"] in lines else f"{check['file']} has no such line"


def firewall(host, check: dict[str, Any]) -> str:
    return "" if check["firewall"] in host.check_output("nft list table inet portolan") else "not in the table"


def service(host, check: dict[str, Any]) -> str:
    return "" if host.service(check["service"]).is_running else "does not run"


LOOK = {
    "ssh": ssh,
    "parameter": parameter,
    "mode": mode,
    "absent": absent,
    "file": file,
    "firewall": firewall,
    "service": service,
}
