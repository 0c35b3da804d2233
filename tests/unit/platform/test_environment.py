"""What a run of Pulumi needs is made once, kept private, and never replaced."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ruamel.yaml import YAML

from portolan import paths
from portolan.errors import PortolanError
from portolan.platform.environment import prepare

SITE = paths.REPOSITORY / "sites" / "sandbox.yaml"


@pytest.fixture
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("PORTOLAN_STATE", str(tmp_path))
    for variable in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(variable, raising=False)
    directory = tmp_path / "sites" / "sandbox"
    directory.mkdir(parents=True)
    (directory / "kubeconfig").write_text("{}")
    return directory


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_site_without_a_cluster_is_told_how_to_get_one(state):
    (state / "kubeconfig").unlink()
    with pytest.raises(PortolanError, match="portolan up"):
        prepare(SITE)


def test_what_is_secret_is_readable_by_its_owner_only(state):
    places = prepare(SITE).places
    for path in (places.passphrase, places.secrets, places.configuration):
        assert mode(path) == 0o600, path
    assert mode(places.backend) == 0o700


def test_a_second_run_finds_everything_and_changes_nothing(state):
    places = prepare(SITE).places
    files = (places.passphrase, places.secrets, places.configuration, places.plan)
    before = [path.read_bytes() for path in files]
    prepare(SITE)
    assert [path.read_bytes() for path in files] == before


def test_the_stack_exists_and_its_salt_is_kept_out_of_the_repository(state):
    prepared = prepare(SITE)
    configuration = YAML(typ="safe").load(prepared.places.configuration.read_text())
    assert configuration["encryptionsalt"].startswith("v1:")
    assert configuration["config"]["portolan:podSecurity"] == "restricted"
    assert "encryptionsalt:" not in (paths.REPOSITORY / "stacks" / "Pulumi.sandbox.yaml").read_text()
    done = subprocess.run(
        [str(prepared.toolchain.cli), "stack", "ls", "--json"],
        cwd=paths.REPOSITORY,
        env=prepared.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"sandbox"' in done.stdout


def test_what_somebody_configured_stays(state):
    places = prepare(SITE).places
    yaml = YAML()
    configuration = yaml.load(places.configuration.read_text())
    configuration["config"]["portolan:podSecurity"] = "baseline"
    with places.configuration.open("w") as stream:
        yaml.dump(configuration, stream)
    prepare(SITE)
    assert yaml.load(places.configuration.read_text())["config"]["portolan:podSecurity"] == "baseline"


def test_a_backend_of_ones_own_is_used(state, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/elsewhere")
    prepared = prepare(SITE)
    assert prepared.variables["PULUMI_BACKEND_URL"] == f"file://{tmp_path}/elsewhere"
    assert (tmp_path / "elsewhere" / ".pulumi").is_dir()


def test_a_backend_that_does_not_answer_is_one_error_with_a_remedy(state, monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///nowhere/at/all")
    with pytest.raises(PortolanError, match="PULUMI_BACKEND_URL"):
        prepare(SITE)


def test_damaged_secrets_are_named(state):
    places = prepare(SITE).places
    places.secrets.write_text("{")
    with pytest.raises(PortolanError, match="restore the file"):
        prepare(SITE, renew_certificates=True)


def test_the_printed_environment_works_in_a_shell(state):
    prepared = prepare(SITE)
    lines = "\n".join(f"export {name}='{value}'" for name, value in prepared.variables.items())
    done = subprocess.run(
        ["sh", "-c", f"{lines}\npulumi config get portolan:inferencePort --stack sandbox"],
        cwd=paths.REPOSITORY,
        env={"HOME": os.environ["HOME"], "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "30080", done.stderr
