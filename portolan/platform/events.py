"""The engine's events, as they are written to its event log, told to people: a line a component, not hundreds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WAITING_EVERY_SECONDS = 20.0
QUIET = frozenset({"same", "read", "refresh"})
PAST = {
    "create": "created",
    "create-replacement": "created anew",
    "update": "updated",
    "delete": "deleted",
    "delete-replaced": "removed for replacement",
    "replace": "replaced",
}
DIFFERENCES_SHOWN = 3
COMPONENT = "portolan:platform:"


@dataclass
class Component:
    """What happens in one component."""

    name: str
    started: float
    ended: float = 0.0
    running: set[str] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One resource that the engine changed, or would change."""

    operation: str
    urn: str
    differences: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return one line: what would happen to what, and because of which properties."""
        shown = ", ".join(self.differences[:DIFFERENCES_SHOWN])
        more = len(self.differences) - DIFFERENCES_SHOWN
        because = f" ({shown}{f' and {more} more' if more > 0 else ''})" if shown else ""
        return f"{self.operation} {kind_of(self.urn)} {name_of(self.urn)}{because}"


@dataclass
class Story:
    """Everything that one run's events told."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    refreshing: bool = False
    components: dict[str, Component] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    summary: dict[str, int] = field(default_factory=dict)
    _last_waiting: float = 0.0
    _status: dict[str, str] = field(default_factory=dict)  # what the provider says of what it awaits, by URN

    def tell(self, event: dict[str, Any]) -> None:
        """Take one event in."""
        if "resourcePreEvent" in event:
            self._before(event["resourcePreEvent"]["metadata"])
        elif "resOutputsEvent" in event:
            self._after(event["resOutputsEvent"]["metadata"])
        elif "resOpFailedEvent" in event:
            self._after(event["resOpFailedEvent"]["metadata"], failed=True)
        elif "diagnosticEvent" in event:
            diagnostic = event["diagnosticEvent"]
            if diagnostic.get("severity") == "error":
                message = plain(str(diagnostic.get("message", "")))
                self.errors.append((str(diagnostic.get("urn", "")), message))
            elif diagnostic.get("ephemeral"):
                self._status[str(diagnostic.get("urn", ""))] = plain(str(diagnostic.get("message", "")))
        elif "summaryEvent" in event:
            self.summary = dict(event["summaryEvent"].get("resourceChanges") or {})

    def waiting(self) -> None:
        """Say from time to time what takes long."""
        now = self.clock()
        if now - self._last_waiting < WAITING_EVERY_SECONDS:
            return
        self._last_waiting = now
        for component in self.components.values():
            if component.running and now - component.started >= WAITING_EVERY_SECONDS:
                urns = sorted(component.running)
                shown = "; ".join(self._awaited(urn) for urn in urns[:2])
                shown += f" and {len(urns) - 2} more" if len(urns) > 2 else ""
                self.say(f"  {component.name}: waiting for {shown}, {now - component.started:.0f} s")

    def _awaited(self, urn: str) -> str:
        status = self._status.get(urn)
        return f"{name_of(urn)} ({status})" if status else name_of(urn)

    def totals(self) -> None:
        """Say what happened in each component."""
        for component in self.components.values():
            what = ", ".join(f"{count} {PAST.get(verb, verb)}" for verb, count in sorted(component.counts.items()))
            self.say(f"  {component.name}: {what or 'nothing done'} in {component.ended - component.started:.1f} s")

    def _before(self, metadata: dict[str, Any]) -> None:
        operation, urn = str(metadata["op"]), str(metadata["urn"])
        if operation in QUIET or not kind_of(urn).startswith("kubernetes:"):
            return
        differences = tuple(sorted(metadata.get("detailedDiff") or {})) or tuple(metadata.get("diffs") or ())
        self.changes.append(Change(operation, urn, differences))
        name = component_of(urn)
        now = self.clock()
        if name not in self.components:
            self.components[name] = Component(name, now, now)
            self._last_waiting = now
            self.say(f"  {name} ...")
        self.components[name].running.add(urn)

    def _found(self, operation: str, metadata: dict[str, Any]) -> None:
        """Note what a refresh found: it says so only when it has read a resource."""
        urn = str(metadata["urn"])
        if kind_of(urn).startswith("kubernetes:"):
            differences = tuple(sorted(metadata.get("detailedDiff") or {})) or tuple(metadata.get("diffs") or ())
            self.changes.append(Change(operation, urn, differences))

    def _after(self, metadata: dict[str, Any], failed: bool = False) -> None:
        component = self.components.get(component_of(str(metadata["urn"])))
        operation = str(metadata["op"])
        if self.refreshing and operation != "refresh" and operation not in QUIET:
            self._found(operation, metadata)
        if component is None or operation in QUIET or not kind_of(str(metadata["urn"])).startswith("kubernetes:"):
            return
        component.running.discard(str(metadata["urn"]))
        component.ended = self.clock()
        verb = "failed" if failed else operation
        component.counts[verb] = component.counts.get(verb, 0) + 1


def follow(path: Path, running: Callable[[], bool], seconds: float = 0.2) -> Iterator[dict[str, Any] | None]:
    """Yield the events of a log that is being written, None where there is nothing new for a moment."""
    position, rest = 0, ""
    while True:
        alive = running()
        text = ""
        if path.is_file():
            with path.open(encoding="utf-8") as stream:
                stream.seek(position)
                text = stream.read()
                position = stream.tell()
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
        if not alive:
            return
        if not lines:
            yield None
            time.sleep(seconds)


def kind_of(urn: str) -> str:
    """Return a resource's own type.

    >>> kind_of("urn:pulumi:s::p::portolan:platform:KServe$kubernetes:core/v1:Service::kserve/web")
    'kubernetes:core/v1:Service'
    """
    parts = urn.split("::")
    return parts[2].split("$")[-1] if len(parts) > 3 else ""


def name_of(urn: str) -> str:
    """Return a resource's name.

    >>> name_of("urn:pulumi:s::p::kubernetes:core/v1:Service::kserve/web")
    'kserve/web'
    """
    return urn.split("::", 3)[-1]


def component_of(urn: str) -> str:
    """Return the component that a resource belongs to, in words.

    >>> component_of("urn:pulumi:s::p::portolan:platform:ObjectStore$kubernetes:core/v1:Service::object-store")
    'object store'
    """
    parts = urn.split("::")
    types = parts[2].split("$") if len(parts) > 3 else []
    for kind in types:
        if kind.startswith(COMPONENT):
            return words(kind.removeprefix(COMPONENT))
    return "cluster"


def words(name: str) -> str:
    """Return a class name as words, names of products untouched.

    >>> words("ModelRegistry"), words("KServe")
    ('model registry', 'KServe')
    """
    if name in ("KServe", "KubeRay"):
        return name
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def plain(message: str) -> str:
    """Return a message without Pulumi's colour marks."""
    import re

    return re.sub(r"<\{%[^%]*%\}>", "", message).strip()
