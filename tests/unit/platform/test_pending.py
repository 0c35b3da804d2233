"""What a killed run had begun is taken over where it exists, and begun anew where it does not."""

from __future__ import annotations

from portolan.platform.pending import pending_creations, pending_names, refresh_arguments

URN = "urn:pulumi:s::portolan::portolan:platform:ObjectStore$kubernetes:apps/v1:StatefulSet::object-store"


def operation(kind="creating", **metadata):
    inputs = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata}
    return {"type": kind, "resource": {"urn": URN, "inputs": inputs}}


def deployment(*operations):
    return {"deployment": {"pending_operations": list(operations)}}


def test_a_stack_that_ended_well_has_nothing_pending():
    assert pending_names(deployment()) == []
    assert pending_names({"deployment": None}) == []


def test_a_begun_creation_is_named_by_what_the_cluster_calls_it():
    (one,) = pending_creations(deployment(operation(name="object-store", namespace="portolan-system")))
    assert one.id == "portolan-system/object-store"
    assert one.kubectl_kind() == "StatefulSet.v1.apps"


def test_updates_and_objects_without_a_name_are_not_imported():
    operations = (operation("updating", name="object-store"), operation())
    assert pending_names(deployment(*operations)) == ["object-store", "object-store"]
    assert pending_creations(deployment(*operations)) == []


def test_only_what_exists_is_imported():
    (one,) = pending_creations(deployment(operation(name="object-store", namespace="portolan-system")))
    imported = ["--import-pending-creates", URN, "--import-pending-creates", "portolan-system/object-store"]
    assert refresh_arguments([one], lambda _: True) == ["--clear-pending-creates", *imported]
    assert refresh_arguments([one], lambda _: False) == ["--clear-pending-creates"]
