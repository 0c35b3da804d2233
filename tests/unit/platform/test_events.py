"""The engine's events become a line a component, and one error that names its resource."""

from __future__ import annotations

import json

import pytest

from portolan.platform.events import Story, follow

STORE = "urn:pulumi:s::p::portolan:platform:ObjectStore$kubernetes:apps/v1:StatefulSet::object-store"
SERVICE = "urn:pulumi:s::p::portolan:platform:ObjectStore$kubernetes:core/v1:Service::object-store"
COMPONENT = "urn:pulumi:s::p::portolan:platform:ObjectStore::object-store"


def before(urn, operation="create", **more):
    return {"resourcePreEvent": {"metadata": {"op": operation, "urn": urn, **more}}}


def after(urn, operation="create", **more):
    return {"resOutputsEvent": {"metadata": {"op": operation, "urn": urn, **more}}}


@pytest.fixture
def story():
    lines = []
    clock = iter(range(0, 10_000, 10))
    told = Story(lines.append, clock=lambda: float(next(clock)))
    told.lines = lines
    return told


def tell(story, *events):
    for event in events:
        story.tell(event)


def test_a_component_is_said_once_however_many_objects_it_has(story):
    tell(story, before(COMPONENT), before(STORE), before(SERVICE), after(SERVICE), after(STORE))
    story.totals()
    assert story.lines[0] == "  object store ..."
    assert len(story.lines) == 2
    assert story.lines[1].startswith("  object store: 2 created in ")


def test_what_stays_as_it_is_is_not_worth_a_line(story):
    tell(story, before(STORE, "same"), after(STORE, "same"))
    story.totals()
    assert story.lines == []
    assert story.changes == []


def test_a_long_wait_says_for_what_and_why(story):
    tell(story, before(STORE), before(SERVICE), after(SERVICE))
    status = {"urn": STORE, "severity": "info", "ephemeral": True, "message": "0/1 replicas are ready\n"}
    tell(story, {"diagnosticEvent": status})
    for _ in range(4):
        story.waiting()
    assert any("waiting for object-store (0/1 replicas are ready)" in line for line in story.lines)


def test_changes_name_the_properties_that_differ(story):
    tell(story, before(STORE, "update", detailedDiff={f"spec.{letter}": {} for letter in "edcba"}))
    (change,) = story.changes
    assert change.describe() == "update kubernetes:apps/v1:StatefulSet object-store (spec.a, spec.b, spec.c and 2 more)"


def test_a_refresh_tells_what_it_found(story):
    story.refreshing = True
    tell(story, before(STORE, "refresh"), after(STORE, "update", detailedDiff={"spec.replicas": {}}))
    tell(story, before(SERVICE, "refresh"), after(SERVICE, "refresh"))
    assert [one.describe() for one in story.changes] == [
        "update kubernetes:apps/v1:StatefulSet object-store (spec.replicas)"
    ]


def test_an_error_keeps_its_resource_and_loses_its_colours(story):
    tell(
        story,
        {"diagnosticEvent": {"urn": STORE, "severity": "error", "message": "<{%reset%}>no such image<{%reset%}>\n"}},
    )
    assert story.errors == [(STORE, "no such image")]


def test_a_log_is_followed_while_it_is_written_half_lines_included(tmp_path):
    log = tmp_path / "events.json"
    alive = iter([True, True, True, False])
    whole = json.dumps(before(STORE))
    parts = iter([whole[:20], whole[20:] + "\n", ""])

    def running():
        with log.open("a", encoding="utf-8") as stream:
            stream.write(next(parts, ""))
        return next(alive)

    found = [event for event in follow(log, running, seconds=0) if event is not None]
    assert found == [before(STORE)]
