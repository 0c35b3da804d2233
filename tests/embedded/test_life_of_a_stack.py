"""A program from its first `pulumi up` to `pulumi destroy`, by the real engine; the tests follow one another."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from conftest import Stack, World

PROGRAM = """
config = pulumi.Config()
quay = k8s.core.v1.Namespace("quay", metadata={"name": "quay"})
inside = {"namespace": quay.metadata["name"]}
tides = k8s.core.v1.ConfigMap("tides", metadata=inside, data={"high": config.get("high") or "noon"})
fixed = k8s.core.v1.ConfigMap("fixed", metadata={**inside, "name": "fixed"}, data=tides.data)
key = k8s.core.v1.Secret("key", metadata={**inside, "name": "key"}, string_data={"word": "open sesame"})
boats = k8s.apiextensions.v1.CustomResourceDefinition(
    "boats",
    metadata={"name": "boats.sea.example"},
    spec={
        "group": "sea.example",
        "scope": "Namespaced",
        "names": {"kind": "Boat", "plural": "boats"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"open_apiv3_schema": {"type": "object", "x_kubernetes_preserve_unknown_fields": True}},
            }
        ],
    },
)
dinghy = k8s.apiextensions.CustomResource(
    "dinghy", api_version="sea.example/v1", kind="Boat", metadata=inside, spec={"oars": 2, "draught": 0.5},
    opts=Options(depends_on=[boats]),
)
crane = k8s.apps.v1.Deployment(
    "crane",
    metadata={**inside, "name": "crane", "annotations": {"pulumi.com/skipAwait": "true"}},
    spec={
        "replicas": 1,
        "selector": {"match_labels": {"app": config.get("app") or "crane"}},
        "template": {
            "metadata": {"labels": {"app": config.get("app") or "crane"}},
            "spec": {
                "containers": [
                    {
                        "name": "crane",
                        "image": "crane:1",
                        "env": [{"name": "A", "value": "1"}],
                        "resources": {
                            "limits": {"memory": "1024Mi", "cpu": "0.5"},
                            "requests": {"memory": "1Gi", "cpu": 0.5},
                        },
                    }
                ]
            },
        },
    },
)
pulumi.export("tides", tides.metadata["name"])
"""


@pytest.fixture(scope="module")
def before(world: World) -> dict[str, set[str]]:
    return {kind: world.names(version, kind) for version, kind in KINDS}


KINDS = [
    ("v1", "Namespace"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("apps/v1", "Deployment"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
]


@pytest.fixture(scope="module")
def stack(make_stack: Callable[[], Stack], before: dict[str, set[str]]) -> Stack:
    made = make_stack()
    made.program(PROGRAM)
    made.up()
    return made


def test_up_makes_every_object_and_preview_then_finds_nothing_to_do(stack: Stack, world: World) -> None:
    assert world.get("sea.example/v1", "Boat", "quay", world.names("sea.example/v1", "Boat", "quay").pop())["spec"] == {
        "oars": 2,
        "draught": 0.5,
    }
    assert world.get("v1", "Secret", "quay", "key")["data"] == {"word": "b3BlbiBzZXNhbWU="}
    preview = stack.run("preview", "--expect-no-changes", "--diff")
    assert preview.code == 0, preview.text


def test_an_object_without_a_name_gets_one_and_says_so(stack: Stack, world: World) -> None:
    made = next(one for one in world.list("v1", "ConfigMap", "quay") if one["metadata"]["name"].startswith("tides-"))
    assert re.fullmatch(r"tides-[0-9a-f]{8}", made["metadata"]["name"])
    assert made["metadata"]["annotations"]["pulumi.com/autonamed"] == "true"


def test_the_state_holds_the_live_object_its_inputs_and_its_manager(stack: Stack) -> None:
    kept = stack.resource("crane")
    assert kept["id"] == "quay/crane"
    assert kept["outputs"]["metadata"]["uid"]
    assert kept["outputs"]["__initialApiVersion"] == "apps/v1"
    assert re.fullmatch(r"pulumi-kubernetes-[0-9a-f]{8}", kept["outputs"]["__fieldManager"])
    assert kept["outputs"]["__inputs"]["spec"]["replicas"] == 1
    assert stack.resource("quay")["id"] == "quay"


def test_secrets_are_nowhere_readable_in_the_state(stack: Stack) -> None:
    backend = stack.folder / "backend"
    for file in backend.rglob("*.json*"):
        content = file.read_bytes()
        assert b"open sesame" not in content, file
        assert b"b3BlbiBzZXNhbWU=" not in content, file
    assert "ciphertext" in str(stack.resource("key")["outputs"]["data"])


def test_a_change_by_hand_is_found_by_refresh_and_mended_by_up(stack: Stack, world: World) -> None:
    world.patch("apps/v1", "Deployment", "quay", "crane", {"spec": {"replicas": 3}})
    boat = world.names("sea.example/v1", "Boat", "quay").pop()
    world.patch("sea.example/v1", "Boat", "quay", boat, {"spec": {"oars": 9}})
    found = stack.run("refresh", "--yes", "--skip-preview")
    assert found.code == 0, found.text
    assert re.search(r"~ 2 updated", found.text)
    assert stack.resource("crane")["outputs"]["spec"]["replicas"] == 3
    stack.up()
    assert world.get("apps/v1", "Deployment", "quay", "crane")["spec"]["replicas"] == 1
    assert world.get("sea.example/v1", "Boat", "quay", boat)["spec"]["oars"] == 2


def test_what_cannot_be_changed_is_replaced(stack: Stack, world: World) -> None:
    old = world.get("apps/v1", "Deployment", "quay", "crane")["metadata"]["uid"]
    tides = next(one for one in world.names("v1", "ConfigMap", "quay") if one.startswith("tides-"))
    done = stack.up("-c", "high=dawn", "-c", "app=hoist")
    assert "3 replaced" in done.text
    new = world.get("apps/v1", "Deployment", "quay", "crane")
    assert new["metadata"]["uid"] != old
    assert new["spec"]["selector"]["matchLabels"] == {"app": "hoist"}
    names = world.names("v1", "ConfigMap", "quay")
    assert tides not in names
    assert world.get("v1", "ConfigMap", "quay", "fixed")["data"] == {"high": "dawn"}


def test_destroy_leaves_only_what_was_there_before(stack: Stack, world: World, before: dict[str, set[str]]) -> None:
    done = stack.run("destroy", "--yes", "--skip-preview")
    assert done.code == 0, done.text
    assert {kind: world.names(version, kind) for version, kind in KINDS} == before
