"""What is a change, and which change replaces an object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portolan.embedded.kubernetes.diff import Change, compare, parse_path, path_text
from portolan.embedded.kubernetes.normalize import normalize, prune, quantity
from portolan.embedded.kubernetes.properties import UNKNOWN
from portolan.embedded.kubernetes.replacing import immutable_paths

json_values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=12,
)


def an_object(kind: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "one", "namespace": "quay"}, **fields}


def changes(
    old: dict[str, Any], new: dict[str, Any], live: dict[str, Any] | None = None, **options: Any
) -> dict[str, str]:
    immutable = immutable_paths(new, config_map_mutable=False, secret_mutable=False)
    found = compare(live or old, old, new, namespaced=True, immutable=immutable, **options)
    return {path_text(one.path): f"{one.change}{' replaces' if one.replaces else ''}" for one in found.fields}


@given(json_values)
def test_an_object_does_not_differ_from_itself(spec: Any) -> None:
    one = an_object("Boat", "sea.example/v1", spec=spec)
    assert changes(one, one) == {}


def test_what_the_cluster_added_is_no_change() -> None:
    old = an_object("Boat", "sea.example/v1", spec={"oars": 2})
    live = an_object("Boat", "sea.example/v1", spec={"oars": 2, "paint": "default"}, status={"afloat": True})
    assert changes(old, old, live) == {}


def test_a_change_by_hand_is_a_change() -> None:
    old = an_object("Boat", "sea.example/v1", spec={"oars": 2})
    live = an_object("Boat", "sea.example/v1", spec={"oars": 4})
    assert changes(old, old, live) == {"spec.oars": Change.UPDATE}


def test_containers_are_found_by_name_where_somebody_has_put_one_in_between() -> None:
    def with_containers(*names: str) -> dict[str, Any]:
        containers = [{"name": name, "image": f"{name}:1"} for name in names]
        return an_object("Deployment", "apps/v1", spec={"template": {"spec": {"containers": containers}}})

    assert changes(with_containers("app"), with_containers("app"), with_containers("injected", "app")) == {}


@pytest.mark.parametrize(
    ("kind", "version", "path", "replaces"),
    [
        ("Deployment", "apps/v1", "spec.selector.matchLabels.app", True),
        ("Deployment", "apps/v1", "spec.replicas", False),
        ("StatefulSet", "apps/v1", "spec.serviceName", True),
        ("Job", "batch/v1", "spec.template.spec.priority", True),
        ("Job", "batch/v1", "spec.suspend", False),
        ("Service", "v1", "spec.clusterIP", True),
        ("Service", "v1", "spec.type", False),
        ("PersistentVolumeClaim", "v1", "spec.storageClassName", True),
        ("PersistentVolumeClaim", "v1", "spec.resources.requests.storage", False),
        ("StorageClass", "storage.k8s.io/v1", "parameters.type", True),
        ("ConfigMap", "v1", "data.key", True),
        ("Secret", "v1", "data.key", True),
        ("RoleBinding", "rbac.authorization.k8s.io/v1", "roleRef.name", True),
        ("Boat", "sea.example/v1", "spec.oars", False),
        ("Boat", "sea.example/v1", "metadata.namespace", True),
        ("Boat", "sea.example/v1", "metadata.name", True),
    ],
)
def test_fields_that_cannot_change_replace_the_object(kind: str, version: str, path: str, replaces: bool) -> None:
    def with_value(value: str) -> dict[str, Any]:
        one = an_object(kind, version)
        place: Any = one
        *steps, last = path.split(".")
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = value
        return one

    assert changes(with_value("1"), with_value("2")) == {path: f"UPDATE{' replaces' if replaces else ''}"}


@pytest.mark.parametrize(
    ("name", "autonamed", "first"), [("one", False, True), ("one", True, False), ("two", False, False)]
)
def test_the_old_object_goes_first_only_where_the_new_one_needs_its_name(
    name: str, autonamed: bool, first: bool
) -> None:
    old, new = an_object("ConfigMap", data={"a": "1"}), an_object("ConfigMap", data={"a": "2"})
    annotations = {"pulumi.com/autonamed": "true"} if autonamed else {}
    new["metadata"] = {**new["metadata"], "name": name, "annotations": annotations}
    immutable = immutable_paths(new, config_map_mutable=False, secret_mutable=False)
    assert compare(old, old, new, namespaced=True, immutable=immutable).delete_first is first


def test_what_is_not_known_yet_counts_as_a_change() -> None:
    old = an_object("ConfigMap", data={"a": "1"})
    assert changes(old, an_object("ConfigMap", data={"a": UNKNOWN})) == {"data.a": "UPDATE replaces"}


def test_ignored_paths_are_no_change() -> None:
    old, new = (
        an_object("Boat", "sea.example/v1", spec={"a": [1]}),
        an_object("Boat", "sea.example/v1", spec={"a": [2]}),
    )
    assert changes(old, new, ignored=[("spec", "a", "*")]) == {}


def test_spellings_of_the_same_are_no_change() -> None:
    old = an_object("Secret", stringData={"a": "b"}, data=None)
    live = an_object("Secret", data={"a": "Yg=="}, type="Opaque")
    assert changes(old, old, live) == {}


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1024Mi", "1Gi"), ("1Gi", "1Gi"), ("0.5", "500m"), (0.5, "500m"), (2, "2"), ("2000m", "2"), ("100", "100"),
        ("1000", "1k"), ("1500Mi", "1500Mi"), ("0.5Gi", "512Mi"), ("0", "0"), ("1.5", "1500m"), ("250Gi", "250Gi"),
        ("", ""), ("many", "many"), (True, True),
    ],
)  # fmt: skip
def test_quantities_are_written_as_the_api_server_writes_them(written: Any, canonical: Any) -> None:
    assert quantity(written) == canonical


@given(json_values)
def test_normalizing_twice_changes_nothing_more(spec: Any) -> None:
    once = normalize(an_object("Pod", spec=spec))
    assert normalize(once) == once


@given(json_values)
def test_pruning_to_its_own_shape_keeps_everything(value: Any) -> None:
    assert prune(value, value) == value


@given(st.lists(st.one_of(st.integers(0, 9), st.text(min_size=1, max_size=6)), min_size=1, max_size=5))
def test_paths_can_be_written_and_read(steps: list[Any]) -> None:
    path = tuple(steps) if isinstance(steps[0], str) else ("first", *steps)
    assert parse_path(path_text(path)) == path
