"""Suricata on a real host: what a rule names is an alert in eve.json, and a rule that it cannot read is not laid."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bare_site import bare_site, site_like
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HOST = "control-1"
TAGS = ("--tags", "os,intrusion_detection")
OWN = 'alert icmp any any -> $HOSTS any (msg:"CUSTOMS a ping"; itype:8; sid:2900001; rev:1;)\n'
EVENTS = "/var/log/suricata/eve.json"
# What is laid, and the process that reads it.
STATE = "sha256sum /etc/portolan/intrusion/*; systemctl show --property MainPID suricata"


@dataclass(frozen=True)
class Watched:
    """A host that Suricata watches, and the administration's file of rules."""

    site: ScenarioSite
    rules: Path

    def on(self, script: str) -> str:
        return self.site.output_of(HOST, script)

    def alerts(self) -> set[str]:
        """Return what was said of packets from this machine, the bridge's own address, to the host."""
        lines = [json.loads(line) for line in self.on(f"cat {EVENTS}").splitlines()]
        address = self.site.addresses[HOST].address
        return {
            line["alert"]["signature"] for line in lines if line["event_type"] == "alert" and line["dest_ip"] == address
        }

    def knock(self, port: int) -> None:
        """Ask for a connection that nobody answers."""
        with socket.socket() as one:
            one.settimeout(2)
            one.connect_ex((self.site.addresses[HOST].address, port))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    rules = folder / "customs.rules"
    rules.write_text(OWN, encoding="utf-8")
    security = {"intrusion_detection": True, "intrusion_rules": [str(rules)]}
    nodes = [{"name": HOST, "role": "control-plane"}]
    with bare_site(folder, "watched", "10.95.5.0/24", nodes, security=security) as site:
        site.must("converge", *TAGS)
        made = Watched(site, rules)
        wait_for(
            "packets are read", lambda: made.on(f"journalctl --unit suricata | grep 'Engine started'; ls {EVENTS}")
        )
        yield made


def test_a_call_that_a_rule_of_the_platform_names_is_an_alert(watched: Watched):
    assert watched.alerts() == set()
    watched.knock(23)
    wait_for("the alert", lambda: "PORTOLAN telnet, ftp or rsh called at a host" in watched.alerts(), 30)


def test_a_call_that_no_rule_names_is_none(watched: Watched):
    before = watched.alerts()
    watched.knock(8088)
    watched.knock(22)
    watched.on("sleep 3")
    assert watched.alerts() == before


def test_rules_of_the_administration_are_read_too(watched: Watched):
    address = watched.site.addresses[HOST].address
    watched.on(f"ping -c 1 {address}")  # by the loopback, which is not watched
    assert "CUSTOMS a ping" not in watched.alerts()
    ping(address)
    wait_for("the alert", lambda: "CUSTOMS a ping" in watched.alerts(), 30)


def ping(address: str) -> None:
    """Send one echo request from this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        # Type 8, code 0, the checksum of this very message, identifier 1, sequence 1.
        raw.sendto(bytes([8, 0, 0xF7, 0xFD, 0, 1, 0, 1]), (address, 0))


def test_a_second_run_and_check_mode_change_nothing(watched: Watched):
    for arguments in ((), ("--check",)):
        done = watched.site.must("converge", *TAGS, "-o", "json", *arguments)
        assert json.loads(done.stdout)["changed"] == []


def test_a_rule_that_suricata_cannot_read_is_not_laid_and_what_watches_goes_on(watched: Watched):
    before = watched.on(STATE)
    watched.rules.write_text(OWN + 'alert tcp any any -> any any (msg:"x"; nonsense; sid:2900002;)\n', encoding="utf-8")
    done = watched.site.portolan("converge", *TAGS)
    watched.rules.write_text(OWN, encoding="utf-8")
    assert done.returncode == 2
    assert done.stderr.count("error:") == done.stderr.count("remedy:") == 1
    assert watched.on(STATE) == before


def test_rules_that_are_not_there_are_named_before_anything_is_asked(watched: Watched):
    gone = watched.rules.rename(watched.rules.with_suffix(".away"))
    done = watched.site.portolan("converge", *TAGS)
    gone.rename(watched.rules)
    assert done.returncode == 2
    assert f"{watched.rules}: the rules cannot be read" in done.stderr


def test_what_was_seen_is_turned_over_and_goes_on_in_a_new_file(watched: Watched):
    watched.on("logrotate --force /etc/logrotate.d/suricata")
    assert watched.alerts() == set()
    watched.knock(445)
    wait_for("the alert", lambda: "PORTOLAN SMB or remote desktop called at a host" in watched.alerts(), 30)


def test_a_site_that_asks_for_it_no_more_has_it_stopped(watched: Watched):
    site_like(watched.site.path, watched.site.path, security={})
    watched.site.must("converge", *TAGS)
    assert watched.on("systemctl is-active suricata || true; systemctl is-enabled suricata || true").split() == [
        "inactive", "disabled",
    ]  # fmt: skip
