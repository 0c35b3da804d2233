"""People of the site's own directory come in on every host, by their groups; who is in none stays out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.sandbox import portolan
from tests.support.scenario_site import SSH, ScenarioSite, wait_for

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

BARE = "--without-platform-images"
TAGS = ("--tags", "os,firewall,directory_server,directory")
DIRECTORY = {
    "domain": "customs.example",
    "server": "control-1",
    "administrators": ["customs-platform"],
    "operators": ["customs-operations"],
}
PASSWORD = "Nb7-vGq2-xWk9-amina"


@pytest.fixture(scope="module")
def site(stage: ScenarioSite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with its directory, converged."""
    written = YAML(typ="safe").load(stage.path.read_text(encoding="utf-8"))
    written["identity"] = {"directory": DIRECTORY}
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML().dump(written, stream)
    done = portolan("converge", path, BARE, *TAGS, timeout_seconds=2000)
    assert done.returncode == 0, done.stderr[-3000:]
    return path


@pytest.fixture(scope="module")
def key(stage: ScenarioSite, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of three people: an administrator, an operator, and one whose group may not come in."""
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "people", "-f", path], check=True)
    public = path.with_suffix(".pub").read_text().strip()
    stage.output_of("control-1", "for one in amina bakary chantal; do portolan-person remove $one || true; done")
    group = "dn: cn=visitors,ou=groups,dc=customs,dc=example\nobjectClass: posixGroup\ncn: visitors\ngidNumber: 25000\n"
    stage.on("control-1", f"ldapadd -Q -Y EXTERNAL -H ldapi:/// <<LDIF\n{group}LDIF")
    people = {"amina": "customs-platform", "bakary": "customs-operations", "chantal": "visitors"}
    for name, group in people.items():
        stage.output_of("control-1", f"echo '{public}' | portolan-person add {name} {group}")
    stage.output_of("control-1", f'kadmin.local -q "cpw -pw {PASSWORD} amina"')
    return path


def as_person(stage: ScenarioSite, key: Path, name: str, host: str, command: str) -> subprocess.CompletedProcess[str]:
    address = stage.addresses[host]
    known = address.options.split()
    way = ["ssh", *SSH, "-i", str(key), "-o", "IdentitiesOnly=yes", *known, "-p", str(address.port)]
    return subprocess.run(
        [*way, f"{name}@{address.address}", command], capture_output=True, text=True, timeout=60, check=False
    )


def comes_in(stage: ScenarioSite, key: Path, name: str, host: str) -> bool:
    return as_person(stage, key, name, host, "id -un").stdout.strip() == name


def test_people_come_in_on_every_host_with_the_key_that_lies_in_the_directory(stage, site, key) -> None:
    for host in ("control-1", "worker-1"):
        wait_for(f"amina on {host}", lambda host=host: comes_in(stage, key, "amina", host), 120)
        assert comes_in(stage, key, "bakary", host)
    assert as_person(stage, key, "amina", "worker-1", "pwd").stdout.strip() == "/home/amina"


def test_who_is_in_none_of_the_groups_stays_out(stage, site, key) -> None:
    assert stage.output_of("worker-1", "getent passwd chantal").startswith("chantal:")
    assert not comes_in(stage, key, "chantal", "worker-1")


def test_sudo_follows_the_group_and_asks_for_the_password_of_the_realm(stage, site, key) -> None:
    sudo = f"echo '{PASSWORD}' | sudo -S -p '' id -un"
    assert as_person(stage, key, "amina", "worker-1", sudo).stdout.strip() == "root"
    wrong = as_person(stage, key, "amina", "worker-1", "sudo -k; echo wrong | sudo -S -p '' id -un")
    assert "root" not in wrong.stdout
    assert "root" not in as_person(stage, key, "bakary", "worker-1", sudo).stdout


def test_the_directory_answers_over_tls_alone_and_to_nobody_without_a_name(stage, site, key) -> None:
    listening = stage.output_of("control-1", "ss -H -tln | awk '{print $4}'").split()
    assert any(one.endswith(":636") for one in listening)
    assert not any(one.endswith(":389") for one in listening)
    ask = "LDAPTLS_CACERT=/etc/portolan/directory.pem ldapsearch -x -H ldaps://control-1 -b dc=customs,dc=example uid"
    refused = stage.on("control-1", ask)
    assert refused.returncode != 0
    assert "amina" not in refused.stdout


def test_passwords_are_generated_outside_the_repository_for_their_owner_alone(stage, site) -> None:
    folder = stage.state / "secrets" / "directory"
    secrets = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir() if path.suffix != ".pem"}
    assert {"administrator", "hosts", "realm"} <= set(secrets)
    assert set(secrets.values()) == {0o600}
    assert stage.output_of("worker-1", "stat -c %a /etc/sssd/sssd.conf /etc/krb5.keytab").split() == ["600", "600"]


def test_a_second_run_changes_nothing(stage, site) -> None:
    done = portolan("converge", site, BARE, *TAGS, "--expect-no-changes", timeout_seconds=2000)
    assert done.returncode == 0, done.stderr[-3000:]
