"""Kubeconfigs, settings, field managers, values of charts and manifests: pure parts at the edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.runtime.proto import language_pb2

from portolan.embedded import language_host
from portolan.embedded.kubernetes import identity, invokes, kubeconfig, managers
from portolan.embedded.kubernetes.helm import values
from portolan.embedded.kubernetes.properties import UNKNOWN, Asset, Secret
from portolan.embedded.kubernetes.settings import settings
from portolan.errors import PortolanError

BAD = Path(__file__).parent / "bad_kubeconfigs"
GOOD: dict[str, Any] = {
    "current-context": "a",
    "contexts": [
        {"name": "a", "context": {"cluster": "one", "user": "u", "namespace": "quay"}},
        {"name": "b", "context": {"cluster": "two", "user": "u"}},
    ],
    "clusters": [
        {"name": "one", "cluster": {"server": "https://one:6443/"}},
        {"name": "two", "cluster": {"server": "https://two:6443"}},
    ],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


def test_a_kubeconfig_may_be_a_path_or_the_content_itself(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(GOOD))
    by_path = kubeconfig.load(str(file), None, None, None)
    by_content = kubeconfig.load(file.read_text(), "b", None, "deck")
    assert (by_path.server, by_path.namespace) == ("https://one:6443", "quay")
    assert (by_content.server, by_content.namespace) == ("https://two:6443", "deck")
    assert kubeconfig.Credentials(by_path).header() == "Bearer t"


@pytest.mark.parametrize("file", sorted(BAD.iterdir()), ids=lambda file: file.stem)
def test_a_bad_kubeconfig_is_refused_with_its_path_and_a_remedy(file: Path) -> None:
    with pytest.raises(PortolanError) as caught:
        kubeconfig.load(str(file), None, None, None)
    assert str(file) in caught.value.where
    assert caught.value.remedy


def test_a_credential_plugin_that_fails_says_what_it_said() -> None:
    described = {"command": "/bin/sh", "args": ["-c", "echo no ticket >&2; exit 3"], "apiVersion": "v1"}
    with pytest.raises(PortolanError, match="no ticket"):
        kubeconfig.run_credential_plugin(described, "here")


def test_settings_come_from_the_program_then_the_environment_then_the_default() -> None:
    assert settings({}, {}).server_side_apply
    assert not settings({}, {"PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY": "false"}).server_side_apply
    assert settings(
        {"enableServerSideApply": "true"}, {"PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY": "false"}
    ).server_side_apply
    assert settings({"kubeconfig": Secret("text")}, {}).kubeconfig == "text"
    assert not settings({"kubeconfig": UNKNOWN}, {}).kubeconfig_known
    assert settings({"helmReleaseSettings": '{"driver": "memory"}'}, {}).helm.driver == "memory"
    assert settings({"kubeClientSettings": '{"timeout": 5}'}, {}).timeout_seconds == 5


def test_fields_of_the_create_and_of_kubectl_pass_to_the_one_who_applies() -> None:
    def entry(manager: str, operation: str, field: str, **more: str) -> dict[str, Any]:
        return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {f"f:{field}": {}}}, **more}

    others = entry("controller", "Update", "c"), entry("kubectl", "Update", "d", subresource="scale")
    entries = [entry("pulumi-kubernetes", "Update", "a"), entry("kubectl-edit", "Update", "b"), *others]
    taken = managers.taken_over(entries, "pulumi-kubernetes-1")
    assert taken is not None
    assert taken[0]["manager"] == "pulumi-kubernetes-1"
    assert taken[0]["operation"] == "Apply"
    assert taken[0]["fieldsV1"] == {"f:spec": {"f:a": {}, "f:b": {}}}
    assert taken[1:] == list(others)
    assert managers.taken_over(taken, "pulumi-kubernetes-1") is None


def test_made_up_names_are_the_same_for_the_same_seed() -> None:
    assert identity.unique("boat-", b"seed") == identity.unique("boat-", b"seed")
    assert identity.unique("boat-") != identity.unique("boat-")
    assert len(identity.unique("boat-", b"x")) == len("boat-") + identity.SUFFIX_HEX_DIGITS


def test_values_of_a_release_come_from_its_files_and_over_them_from_the_program(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("a: {b: 1, c: 2}\n")
    inputs = {"valueYamlFiles": [Asset({"path": str(file)})], "values": {"a": {"b": Secret(3)}}}
    assert values.merged_values(inputs) == {"a": {"b": Secret(3), "c": 2}}


def test_manifests_are_read_as_kubernetes_reads_them() -> None:
    text = "a: b\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {day: 2020-01-01, on: 'yes'}\n"
    objects = invokes.decode(text, "quay", lambda version, kind: True)
    assert objects[0]["data"]["day"] == "2020-01-01"
    assert objects[0]["metadata"] == {"name": "x", "namespace": "quay"}
    assert invokes.decode(text, "quay", lambda version, kind: False)[0]["metadata"] == {"name": "x"}
    with pytest.raises(PortolanError):
        invokes.decode("a: [", "", lambda version, kind: True)


def test_the_program_is_started_as_the_engine_asks() -> None:
    request = language_pb2.RunRequest(
        project="p", stack="s", pwd="/w", dryRun=True, parallel=4, monitor_address="m:1", organization="o",
        info=language_pb2.ProgramInfo(root_directory="/r", program_directory="/w", entry_point="."),
        config={"p:a": "1"}, configSecretKeys=["p:a"],
    )  # fmt: skip
    arguments = language_host.exec_arguments(request, "e:2")
    assert arguments[-1] == "/w"
    pairs = dict(zip(arguments[:-1:2], arguments[1:-1:2], strict=True))
    assert pairs == {
        "--monitor": "m:1", "--engine": "e:2", "--project": "p", "--root_directory": "/r", "--stack": "s",
        "--pwd": "/w", "--dry_run": "true", "--parallel": "4", "--organization": "o",
    }  # fmt: skip
    environment = language_host.exec_environment(request, {"HOME": "/h"})
    assert environment["PULUMI_CONFIG"] == '{"p:a": "1"}'
    assert environment["PULUMI_CONFIG_SECRET_KEYS"] == '["p:a"]'


def test_a_missing_exec_script_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(PortolanError, match=r"go mod download github\.com/pulumi/pulumi/sdk/v3@v0\.0\.1"):
        language_host.find_exec_script("0.0.1", {"PATH": "", "GOMODCACHE": str(tmp_path)})


def test_the_kubernetes_package_names_its_plugin() -> None:
    found = {one.name: one.version for one in language_host.required_plugins(language_host.pulumi_distributions())}
    assert found["kubernetes"]
