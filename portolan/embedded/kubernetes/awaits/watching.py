"""Watches: each in a thread of its own, all of one wait into one queue, so that a wait ends the moment it can."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portolan.embedded.kubernetes.cluster import Cluster, Kind
from portolan.embedded.kubernetes.errors import ApiError, NoSuchKind, Unreachable

# A watch that stays silent this long is opened anew: connections that died without a word are noticed so.
QUIET_SECONDS = 30.0
# Between attempts to reopen a watch that the server refuses.
REOPEN_SECONDS = 1.0


@dataclass(frozen=True)
class Event:
    """One change that a watch saw; `source` says which watch."""

    source: str
    type: str
    target: Mapping[str, Any]


@dataclass
class Watch:
    """One object by name, or the objects of a collection by label, followed until stopped."""

    cluster: Cluster
    kind: Kind
    namespace: str
    source: str
    into: queue.Queue[Event]
    name: str | None = None
    labels: str | None = None
    resource_version: str | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to follow."""
        threading.Thread(target=self._follow, daemon=True, name=f"watch {self.kind.plural}").start()

    def stop(self) -> None:
        """Follow no longer; the connection closes with its next event or silence."""
        self._stop.set()

    def _parameters(self) -> dict[str, str]:
        parameters = {}
        if self.name:
            parameters["fieldSelector"] = f"metadata.name={self.name}"
        if self.labels:
            parameters["labelSelector"] = self.labels
        if self.resource_version:
            parameters["resourceVersion"] = self.resource_version
        return parameters

    def _put(self, kind: str, target: Mapping[str, Any]) -> None:
        if not self._stop.is_set():
            self.into.put(Event(self.source, kind, target))

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                with self.cluster.watch(self.kind.path(self.namespace), self._parameters(), QUIET_SECONDS) as events:
                    for event in events:
                        if self._stop.is_set():
                            return
                        target = event.get("object") or {}
                        if event.get("type") == "ERROR":
                            raise ApiError(target.get("code") or 500, target.get("reason") or "", "watch ended")
                        self.resource_version = (target.get("metadata") or {}).get("resourceVersion")
                        self._put(event["type"], target)
            except (ApiError, Unreachable, NoSuchKind):
                if self._stop.wait(REOPEN_SECONDS):
                    return
                self._catch_up()

    def _catch_up(self) -> None:
        """Learn what was missed while no watch was open."""
        self.resource_version = None
        if not self.name:
            return
        try:
            live = self.cluster.get(self.kind, self.namespace, self.name)
        except ApiError as error:
            if error.not_found:
                self._put("DELETED", {})
        except Unreachable:
            return
        else:
            self.resource_version = live["metadata"]["resourceVersion"]
            self._put("MODIFIED", live)


class Waiting:
    """A wait: its watches, its deadline, and the engine's Cancel."""

    def __init__(self, seconds: float, cancelled: threading.Event) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._cancelled = cancelled
        self._watches: list[Watch] = []
        self.events: queue.Queue[Event] = queue.Queue()

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.stop()

    def follow(
        self,
        cluster: Cluster,
        kind: Kind,
        namespace: str,
        source: str,
        *,
        name: str | None = None,
        labels: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Add a watch."""
        watch = Watch(cluster, kind, namespace, source, self.events, name, labels, resource_version)
        self._watches.append(watch)
        watch.start()

    @property
    def cancelled(self) -> bool:
        """Tell whether the engine has asked for the end."""
        return self._cancelled.is_set()

    def next(self) -> Event | None:
        """Return the next event; None when the time is over or the engine has cancelled."""
        while not self.cancelled:
            left = self._deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                return self.events.get(timeout=min(left, 0.5))
            except queue.Empty:
                continue
        return None
