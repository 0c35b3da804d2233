"""Objects into the API server: create, apply, give back, delete. Each returns the object as the server then has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from portolan.embedded.kubernetes import identity, managers
from portolan.embedded.kubernetes.awaits import Progress
from portolan.embedded.kubernetes.cluster import APPLY, JSON_PATCH, MERGE_PATCH, Answer, Cluster, Kind
from portolan.embedded.kubernetes.errors import (
    ApiError,
    Cancelled,
    NoSuchKind,
    already_exists,
    conflict,
)
from portolan.embedded.kubernetes.replacing import Path

# A namespace or kind that another part of the program is about to make: tried again after 0.1, 0.2 ... 12.8 s
# (25 s in all).
RETRIES = 8
FIRST_PAUSE_SECONDS = 0.1

Object = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One change that is asked for: where, as whom, and whether only to try it."""

    cluster: Cluster
    manager: str
    cancelled: threading.Event
    progress: Progress
    warn: Callable[[str], None]
    dry_run: bool = False
    force: bool = False

    def parameters(self, **more: Any) -> dict[str, Any]:
        """Return the query of the request."""
        return {**more, **({"dryRun": "All"} if self.dry_run else {})}

    def taken(self, answer: Answer) -> Object:
        """Return the answer's object, and pass its warnings on (once: the preview says them)."""
        for text in answer.warnings:
            self.warn(text)
        return answer.body


def target_of(call: Call, inputs: Mapping[str, Any]) -> tuple[Kind, str]:
    """Return the kind and namespace of an object; a kind without namespaces has none whatever the object says."""
    kind = call.cluster.kind(identity.api_version(inputs), str(inputs.get("kind")))
    return kind, (identity.namespace(inputs) or call.cluster.access.namespace) if kind.namespaced else ""


def _body(inputs: Mapping[str, Any], kind: Kind, namespace: str) -> Object:
    return identity.with_namespace({**inputs, "apiVersion": kind.api_version}, namespace)


def create(call: Call, inputs: Object, *, upsert: bool) -> Object:
    """Create an object (or, with `upsert`, apply over what is there).

    What is missing now may come in a moment, and what is being deleted may go: both are tried again, but not in a
    preview.
    """
    pause = FIRST_PAUSE_SECONDS
    for attempt in range(RETRIES + 1):
        try:
            kind, namespace = target_of(call, inputs)
            if upsert:
                return apply(call, inputs)
            answer = call.cluster.request(
                "POST",
                kind.path(namespace),
                call.parameters(fieldManager=identity.CREATE_MANAGER, fieldValidation="Warn"),
                _body(inputs, kind, namespace),
            )
            return call.taken(answer)
        except (ApiError, NoSuchKind) as error:
            passing = isinstance(error, NoSuchKind) or error.not_found or error.ending
            if not passing or call.dry_run or attempt == RETRIES:
                if isinstance(error, ApiError) and error.already_exists and not call.dry_run:
                    raise already_exists(error, _called(inputs)) from error
                raise
            call.progress(f"retry {attempt + 1} of {RETRIES}: {error}")
            if call.cancelled.wait(pause):
                raise Cancelled from error
            pause *= 2
    raise AssertionError("the last attempt returns or raises")


def _called(target: Mapping[str, Any]) -> str:
    return f"{target.get('kind')} {identity.identity(target)}"


def apply(call: Call, inputs: Object) -> Object:
    """Apply an object by server-side apply as the call's field manager."""
    kind, namespace = target_of(call, inputs)
    try:
        answer = call.cluster.request(
            "PATCH",
            kind.path(namespace, identity.name(inputs)),
            call.parameters(fieldManager=call.manager, force=str(call.force).lower(), fieldValidation="Warn"),
            _body(inputs, kind, namespace),
            APPLY,
        )
    except ApiError as error:
        if call.dry_run and not call.force and error.conflict and managers.will_pass(error.causes):
            # A preview takes nothing over, but the update will.
            return apply(replace(call, force=True), inputs)
        if error.conflict:
            raise conflict(error, _called(inputs), call.manager) from error
        raise
    return call.taken(answer)


def take_over(call: Call, kind: Kind, namespace: str, live: Object) -> Object:
    """Give the fields of the plain create (and of kubectl) to the call's manager, so that apply may drop them.

    A controller that writes the status in the same moment makes the server refuse; then it is tried with what is new.
    """
    path = kind.path(namespace, identity.name(live))
    for attempt in range(RETRIES + 1):
        entries = managers.taken_over(live["metadata"].get("managedFields") or [], call.manager)
        if entries is None or call.dry_run:
            break
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]
        try:
            return call.cluster.request("PATCH", path, {}, patch, JSON_PATCH).body
        except ApiError as error:
            if not error.conflict or attempt == RETRIES:
                raise
            live = call.cluster.request("GET", path).body
    return live


def with_ignored(inputs: Object, live: Object, ignored: Sequence[Path], manager: str) -> Object:
    """Return the inputs with ignored fields left to whoever owns them, or as they live where this manager does."""
    entries = live["metadata"].get("managedFields") or []
    for path in ignored:
        theirs = managers.owns(entries, path, manager, others=True)
        ours = managers.owns(entries, path, manager, others=False)
        inputs = _replaced(inputs, path, None if theirs and not ours else _at(live, path))
    return inputs


def _at(target: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, str) and isinstance(target, Mapping):
            target = target.get(step)
        elif isinstance(step, int) and isinstance(target, list) and step < len(target):
            target = target[step]
        else:
            return None
    return target


def _replaced(target: Any, path: Path, value: Any) -> Any:
    """Return `target` with `value` at `path`; without the entry where the value is None."""
    if not path or "*" in path:
        return target if path else value
    step, rest = path[0], path[1:]
    if isinstance(target, Mapping) and isinstance(step, str):
        inner = value if not rest else _replaced(target.get(step, {} if value is not None else None), rest, value)
        kept = {key: item for key, item in target.items() if key != step}
        return kept if inner is None else {**kept, step: inner}
    if isinstance(target, list) and isinstance(step, int) and step < len(target):
        return [_replaced(item, rest, value) if place == step else item for place, item in enumerate(target)]
    return target


def _replace_definition(call: Call, kind: Kind, new: Object, live: Object) -> Object:
    """Write a CustomResourceDefinition whole, as the official provider does: its schema has no owners to mind."""
    path = kind.path(None, identity.name(live))
    for attempt in range(RETRIES + 1):
        body = _body(new, kind, "")
        body["metadata"] = {**body["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
        try:
            return call.taken(call.cluster.request("PUT", path, call.parameters(fieldManager=call.manager), body))
        except ApiError as error:
            if not error.conflict or attempt == RETRIES:
                raise
            live = call.cluster.request("GET", path).body
    raise AssertionError("the last attempt returns or raises")


def update(call: Call, old: Object, new: Object, *, server_side: bool, patch: bool, ignored: Sequence[Path]) -> Object:
    """Bring an object to its new inputs.

    `patch` means that something else owns the object. Without `server_side` a merge patch of the change is sent.
    """
    kind, namespace = target_of(call, new)
    name = identity.name(old) or identity.name(new)
    live = call.cluster.get(kind, namespace, name)
    if kind.kind == "CustomResourceDefinition" and kind.api_version.startswith("apiextensions.k8s.io/"):
        return _replace_definition(call, kind, new, live)
    if not server_side:
        body = merge_patch(old, new)
        parameters = call.parameters(fieldManager=call.manager)
        return call.taken(call.cluster.request("PATCH", kind.path(namespace, name), parameters, body, MERGE_PATCH))
    entries = live["metadata"].get("managedFields") or []
    if not patch:
        live = take_over(call, kind, namespace, live)
    wanted = with_ignored(new, live, ignored, call.manager)
    # An object from before server-side apply has no owner to ask.
    return apply(replace(call, force=call.force or not entries), wanted)


def merge_patch(old: Any, new: Any) -> Any:
    """Return the JSON merge patch that leads from `old` to `new`.

    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"b": {"c": 3}})
    {'b': {'c': 3}, 'a': None}
    """
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    changed = {key: merge_patch(old.get(key), value) for key, value in new.items() if old.get(key) != value}
    return {**changed, **{key: None for key in old if key not in new}}


def relinquish(call: Call, live: Mapping[str, Any], manager: str) -> None:
    """Give up every field that `manager` owns; what nobody else owns goes away."""
    kind, namespace = target_of(call, live)
    bare = identity.with_namespace(
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": identity.name(live)}}, namespace
    )
    parameters = {"fieldManager": manager, "force": "true"}
    call.cluster.request("PATCH", kind.path(namespace, identity.name(live)), parameters, bare, APPLY)


def delete(call: Call, inputs: Mapping[str, Any], live: Mapping[str, Any], name: str) -> Object | None:
    """Ask for an object's deletion; return it as it now is, or None when it is gone already."""
    kind, namespace = target_of(call, live)
    policy = (identity.annotation(inputs, identity.DELETION_POLICY) or "").lower()
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": {"orphan": "Orphan", "background": "Background"}.get(policy, "Foreground"),
    }
    try:
        body = call.cluster.request("DELETE", kind.path(namespace, name), {}, options).body
    except ApiError as error:
        if error.not_found:
            return None
        raise
    return None if body.get("kind") == "Status" else body


def wait_served(cluster: Cluster, definition: Object, seconds: float) -> None:
    """Wait until the API server serves what an established CustomResourceDefinition defines."""
    spec = definition.get("spec") or {}
    served = [version["name"] for version in spec.get("versions") or [] if version.get("served")]
    until = time.monotonic() + seconds
    for version in served:
        while not cluster.known_kind(f"{spec['group']}/{version}", spec["names"]["kind"]):
            if time.monotonic() > until:
                return
            time.sleep(0.05)
