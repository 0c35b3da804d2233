"""The provider's operations against the API server, without the engine: each await, each refusal, each way to go on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Log, MakeProvider, World

from portolan.embedded.kubernetes.declared import Naming
from portolan.embedded.kubernetes.errors import ApiError, PartialFailure, Unreachable
from portolan.embedded.kubernetes.properties import Secret, reveal
from portolan.embedded.kubernetes.provider import Outcome, Provider
from portolan.errors import PortolanError

Object = dict[str, Any]


def urn(target: Object, name: str = "it") -> str:
    version = target["apiVersion"]
    module = version if "/" in version else f"core/{version}"
    return f"urn:pulumi:dev::harbour::kubernetes:{module}:{target['kind']}::{name}"


def an_object(kind: str, namespace: str, name: str, version: str = "v1", **fields: Any) -> Object:
    annotations = fields.pop("annotations", {})
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        **fields,
    }


def create(provider: Provider, target: Object, seconds: float = 5) -> Outcome:
    checked = provider.check(urn(target), {}, target, Naming())
    assert not checked.failures
    return provider.create(urn(target), checked.inputs, seconds, preview=False)


POD_SPEC = {"containers": [{"name": "c", "image": "c:1"}]}
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": POD_SPEC}
SELECTOR = {"matchLabels": {"app": "a"}}
READY = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
# Kind, version, fields, the status that the rest of a cluster would set, its part of the object's path.
AWAITED: list[tuple[str, str, Object, Object]] = [
    ("Deployment", "apps/v1", {"spec": {"selector": SELECTOR, "template": TEMPLATE}}, READY),
    (
        "StatefulSet",
        "apps/v1",
        {"spec": {"selector": SELECTOR, "template": TEMPLATE, "serviceName": "s"}},
        {**READY, "currentRevision": "r", "updateRevision": "r"},
    ),
    ("Pod", "v1", {"spec": POD_SPEC}, {"phase": "Succeeded"}),
    (
        "PersistentVolumeClaim",
        "v1",
        {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "",
            }
        },
        {"phase": "Bound"},
    ),
]


@pytest.mark.parametrize(("kind", "version", "fields", "status"), AWAITED, ids=[one[0] for one in AWAITED])
def test_create_returns_once_the_object_is_ready(
    provider: Provider, world: World, namespace: str, kind: str, version: str, fields: Object, status: Object
) -> None:
    marked = threading.Event()

    def mark() -> None:
        until = time.monotonic() + 20
        while not marked.is_set() and time.monotonic() < until:
            with contextlib.suppress(ApiError):  # not there yet, or a controller wrote in the same moment
                world.mark(version, kind, namespace, "it", status)
            time.sleep(0.1)

    helper = threading.Thread(target=mark)
    helper.start()
    try:
        done = create(provider, an_object(kind, namespace, "it", version, **fields), 20)
    finally:
        marked.set()
        helper.join()
    assert done.identity == f"{namespace}/it"
    assert reveal(done.properties)["status"]


@pytest.mark.parametrize(("kind", "version", "fields", "status"), AWAITED, ids=[one[0] for one in AWAITED])
def test_create_that_does_not_become_ready_in_time_keeps_the_object(
    provider: Provider, namespace: str, kind: str, version: str, fields: Object, status: Object
) -> None:
    with pytest.raises(PartialFailure, match="timed out after 1 s") as caught:
        create(provider, an_object(kind, namespace, "late", version, **fields), 1)
    assert caught.value.identity == f"{namespace}/late"
    assert reveal(caught.value.state)["metadata"]["uid"]


def test_a_job_that_fails_ends_the_wait_at_once(provider: Provider, world: World, namespace: str) -> None:
    job = an_object(
        "Job",
        namespace,
        "it",
        "batch/v1",
        spec={"backoffLimit": 0, "template": {"spec": {**POD_SPEC, "restartPolicy": "Never"}}},
    )

    def fail_its_pod() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            for pod in world.list("v1", "Pod", namespace):
                world.mark("v1", "Pod", namespace, pod["metadata"]["name"], {"phase": "Failed"})
                return
            time.sleep(0.1)

    helper = threading.Thread(target=fail_its_pod)
    helper.start()
    with pytest.raises(PartialFailure, match="BackoffLimitExceeded"):
        create(provider, job, 30)
    helper.join()


def test_a_service_is_ready_with_its_first_endpoint(provider: Provider, world: World, namespace: str) -> None:
    service = an_object("Service", namespace, "it", spec={"selector": {"app": "a"}, "ports": [{"port": 80}]})
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "it-1", "labels": {"kubernetes.io/service-name": "it"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.1.1"], "conditions": {"ready": True}}],
    }
    helper = threading.Timer(0.5, lambda: world.create(endpoints, namespace))
    helper.start()
    assert create(provider, service, 20).identity == f"{namespace}/it"
    helper.join()


def test_the_program_may_wait_for_what_it_likes_or_for_nothing(
    provider: Provider, world: World, namespace: str
) -> None:
    wait = {"pulumi.com/waitFor": "jsonpath={.data.tide}=high"}
    helper = threading.Timer(0.5, lambda: world.patch("v1", "ConfigMap", namespace, "it", {"data": {"tide": "high"}}))
    helper.start()
    done = create(provider, an_object("ConfigMap", namespace, "it", annotations=wait, data={"tide": "low"}), 20)
    helper.join()
    assert done.properties["data"] == {"tide": "high"}
    skip = an_object("Pod", namespace, "skipped", annotations={"pulumi.com/skipAwait": "true"}, spec=POD_SPEC)
    assert create(provider, skip).identity == f"{namespace}/skipped"


def test_cancel_ends_a_wait_and_keeps_the_object(make_provider: MakeProvider, namespace: str) -> None:
    cancelled = threading.Event()
    provider = make_provider(cancelled)
    threading.Timer(0.5, cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(PartialFailure, match="cancelled"):
        create(provider, an_object("Pod", namespace, "it", spec=POD_SPEC), 60)
    assert time.monotonic() - begun < 20


def test_an_object_that_is_there_is_not_taken_by_create(provider: Provider, world: World, namespace: str) -> None:
    world.create(an_object("ConfigMap", namespace, "it"), namespace)
    with pytest.raises(PortolanError, match="already exists in the cluster") as caught:
        create(provider, an_object("ConfigMap", namespace, "it"))
    assert "pulumi import" in caught.value.remedy


def test_an_existing_object_is_applied_over_where_the_provider_is_told_to(
    make_provider: MakeProvider, world: World, namespace: str
) -> None:
    world.create(an_object("ConfigMap", namespace, "it", data={"theirs": "1"}), namespace)
    create(make_provider(upsertExistingObjects="true"), an_object("ConfigMap", namespace, "it", data={"ours": "2"}))
    assert world.get("v1", "ConfigMap", namespace, "it")["data"] == {"theirs": "1", "ours": "2"}


def test_a_field_of_another_manager_is_refused_by_name_and_taken_by_force(
    provider: Provider, make_provider: MakeProvider, world: World, namespace: str
) -> None:
    first = an_object("ConfigMap", namespace, "it", data={"tide": "low"})
    state = create(make_provider(enableConfigMapMutable="true"), first).properties
    path = provider.cluster.kind("v1", "ConfigMap").path(namespace, "it")
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"tide": "theirs"}}
    content = "application/apply-patch+yaml"
    provider.cluster.request("PATCH", path, {"fieldManager": "the-pilot", "force": "true"}, theirs, content)
    new = an_object("ConfigMap", namespace, "it", data={"tide": "high"})
    with pytest.raises(PartialFailure, match="the-pilot") as caught:
        provider.update(urn(new), state, new, 5, False, [])
    assert "pulumi.com/patchForce" in str(caught.value)
    forced = an_object(
        "ConfigMap", namespace, "it", annotations={"pulumi.com/patchForce": "true"}, data={"tide": "high"}
    )
    provider.update(urn(new), state, forced, 5, False, [])
    assert world.get("v1", "ConfigMap", namespace, "it")["data"] == {"tide": "high"}


def test_what_the_program_drops_is_dropped_and_what_others_own_stays(
    provider: Provider, world: World, namespace: str
) -> None:
    state = create(provider, an_object("ConfigMap", namespace, "it", data={"a": "1", "b": "2"})).properties
    world.patch("v1", "ConfigMap", namespace, "it", {"data": {"theirs": "3"}}, manager="the-pilot")
    new = an_object("ConfigMap", namespace, "it", data={"a": "1"})
    provider.update(urn(new), state, new, 5, False, [])
    assert world.get("v1", "ConfigMap", namespace, "it")["data"] == {"a": "1", "theirs": "3"}


@pytest.mark.parametrize("missing", ["namespace", "kind"])
def test_a_preview_goes_on_where_a_namespace_or_kind_is_yet_to_come(provider: Provider, missing: str) -> None:
    target = an_object("ConfigMap", "yet-to-come", "it")
    if missing == "kind":
        target = an_object("Yet", "default", "it", "to.come/v1")
    assert provider.create(urn(target), target, 5, preview=True) == Outcome("", target)


def test_a_preview_asks_the_api_server_and_changes_nothing(provider: Provider, world: World, namespace: str) -> None:
    target = an_object("Service", namespace, "it", spec={"ports": [{"port": 80}]})
    tried = provider.create(urn(target), target, 5, preview=True).properties
    assert tried["spec"]["type"] == "ClusterIP"
    assert "it" not in world.names("v1", "Service", namespace)
    wrong = an_object("Service", namespace, "it", spec={"ports": [{"port": 123456}]})
    with pytest.raises(ApiError, match="must be between 1 and 65535"):
        provider.create(urn(wrong), wrong, 5, preview=True)


def test_fields_that_the_server_does_not_know_are_told(provider: Provider, log: Log, namespace: str) -> None:
    create(provider, an_object("ConfigMap", namespace, "it", dta={"a": "1"}))
    assert any('unknown field "dta"' in said for said in log.said)


def test_what_is_gone_reads_as_gone_and_what_is_new_can_be_imported(
    provider: Provider, world: World, namespace: str
) -> None:
    config_map = an_object("ConfigMap", namespace, "it")
    assert provider.read(urn(config_map), f"{namespace}/it", {}, {}) is None
    world.create(an_object("ConfigMap", namespace, "it", data={"a": "1"}), namespace)
    found = provider.read(urn(config_map), f"{namespace}/it", {}, {})
    assert found is not None
    assert found.inputs is not None
    assert found.inputs["data"] == {"a": "1"}
    assert "uid" not in found.inputs["metadata"]
    assert found.properties["metadata"]["uid"]


def test_an_imported_secret_is_secret(provider: Provider, world: World, namespace: str) -> None:
    world.create(an_object("Secret", namespace, "it", stringData={"word": "x"}), namespace)
    found = provider.read(urn(an_object("Secret", namespace, "it")), f"{namespace}/it", {}, {})
    assert found is not None
    assert found.inputs is not None
    assert found.inputs["data"] == Secret({"word": "eA=="})
    assert found.properties["data"] == Secret({"word": "eA=="})


def test_a_refresh_tells_that_an_object_is_not_ready(provider: Provider, world: World, namespace: str) -> None:
    pod = an_object("Pod", namespace, "it", annotations={"pulumi.com/timeoutSeconds": "1"}, spec=POD_SPEC)
    with pytest.raises(PartialFailure) as created:
        create(provider, pod, 0)
    with pytest.raises(PartialFailure, match="is not ready") as caught:
        provider.read(urn(pod), f"{namespace}/it", dict(created.value.state), pod)
    assert caught.value.inputs is not None


def test_a_patch_changes_its_own_fields_and_gives_them_back(provider: Provider, world: World, namespace: str) -> None:
    world.create(an_object("ConfigMap", namespace, "it", data={"theirs": "1"}), namespace)
    patch = an_object("ConfigMap", namespace, "it", data={"ours": "2"})
    token = urn({**patch, "kind": "ConfigMapPatch"})
    inputs = provider.check(token, {}, patch, Naming()).inputs
    state = provider.create(token, inputs, 5, preview=False).properties
    assert world.get("v1", "ConfigMap", namespace, "it")["data"] == {"theirs": "1", "ours": "2"}
    provider.delete(token, f"{namespace}/it", state, 5)
    assert world.get("v1", "ConfigMap", namespace, "it")["data"] == {"theirs": "1"}


def test_delete_waits_and_says_which_finalizer_holds_it_up(provider: Provider, world: World, namespace: str) -> None:
    held = an_object("ConfigMap", namespace, "it")
    held["metadata"]["finalizers"] = ["harbour.example/customs"]
    state = create(provider, held).properties
    with pytest.raises(PartialFailure, match=r"harbour\.example/customs"):
        provider.delete(urn(held), f"{namespace}/it", state, 1)
    helper = threading.Timer(
        0.3, lambda: world.patch("v1", "ConfigMap", namespace, "it", {"metadata": {"finalizers": None}})
    )
    helper.start()
    provider.delete(urn(held), f"{namespace}/it", state, 20)
    helper.join()
    provider.delete(urn(held), f"{namespace}/it", state, 5)
    assert "it" not in world.names("v1", "ConfigMap", namespace)


def test_check_gives_a_namespace_to_what_can_have_one(make_provider: MakeProvider) -> None:
    provider = make_provider(namespace="quay")
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "it"}}
    assert provider.check(urn(config_map), {}, config_map, Naming()).inputs["metadata"]["namespace"] == "quay"
    assert "namespace" not in provider.check(urn(node), {}, node, Naming()).inputs["metadata"]


def test_check_keeps_the_name_that_was_made_up(provider: Provider) -> None:
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}
    first = provider.check(urn(bare), {}, bare, Naming(seed=b"seed")).inputs
    assert provider.check(urn(bare), first, bare, Naming(seed=b"other")).inputs == first
    assert provider.check(urn(bare), {}, bare, Naming(proposed="chosen")).inputs["metadata"]["name"] == "chosen"
    with pytest.raises(PortolanError, match="autonaming is disabled"):
        provider.check(urn(bare), {}, bare, Naming(disabled=True))


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"metadata": "text"}, "metadata"),
        ({"metadata": {"generateName": "a-"}}, "metadata.generateName"),
        ({"kind": 3}, "kind"),
    ],
)
def test_check_names_the_property_at_fault(provider: Provider, fields: Object, where: str) -> None:
    target = {"apiVersion": "v1", "kind": "ConfigMap", **fields}
    token = urn({**target, "kind": "ConfigMap"})
    assert [one[0] for one in provider.check(token, {}, target, Naming()).failures] == [where]


def test_an_unreachable_cluster_stops_changes_and_may_be_forgotten(make_provider: MakeProvider) -> None:
    lost = """
    current-context: a
    contexts: [{name: a, context: {cluster: c}}]
    clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
    """
    config_map = an_object("ConfigMap", "default", "it")
    provider = make_provider(kubeconfig=lost)
    changing: list[Callable[[], object]] = [
        lambda: provider.create(urn(config_map), config_map, 5, False),
        lambda: provider.delete(urn(config_map), "default/it", config_map, 5),
        lambda: provider.read(urn(config_map), "default/it", config_map, config_map),
    ]
    for change in changing:
        with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1"):
            change()
    assert provider.create(urn(config_map), config_map, 5, True).properties == config_map
    forgetful = make_provider(kubeconfig=lost, deleteUnreachable="true")
    forgetful.delete(urn(config_map), "default/it", config_map, 5)
    assert forgetful.read(urn(config_map), "default/it", config_map, config_map) is None
