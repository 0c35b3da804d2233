"""What a run of the playbook tells, event by event, and what it adds up to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from portolan.model import Model

Status = Literal["ok", "changed", "skipped", "failed", "unreachable", "ignored"]


class Play(Model):
    """A play began."""

    kind: Literal["play"]
    play: str
    hosts: tuple[str, ...]


class TaskResult(Model):
    """A task ended on a host."""

    kind: Literal["result"]
    host: str
    role: str
    task: str
    status: Status
    seconds: float
    message: str = ""


class End(Model):
    """The run ended; counts by host as Ansible's recap has them."""

    kind: Literal["end"]
    hosts: dict[str, dict[str, int]]


class Event(Model):
    """Any line of the event stream."""

    event: Play | TaskResult | End = Field(discriminator="kind")


class RoleSummary(Model):
    """What one role did on all hosts."""

    role: str
    hosts: int
    seconds: float
    changed: int


class TaskSummary(Model):
    """How long one task took on the host that it took longest on."""

    role: str
    task: str
    seconds: float


class Tally:
    """Adds events up; `take` returns the roles that the event finished, for a progress line each.

    Hosts may go at their own pace: a role is finished when every host of the play that still runs has left it.
    """

    def __init__(self) -> None:
        self.changed: list[TaskResult] = []
        self.failures: list[TaskResult] = []
        self.hosts: dict[str, dict[str, int]] = {}
        self.ended = False
        self._play: set[str] = set()
        self._current: dict[str, str] = {}
        self._left: dict[str, set[str]] = {}
        self._open: dict[str, dict[str, float]] = {}  # role to host to the time it entered
        self._changes: dict[str, int] = {}
        self._tasks: dict[tuple[str, str], float] = {}
        self.roles: list[RoleSummary] = []

    def take(self, event: Play | TaskResult | End, now_seconds: float) -> list[RoleSummary]:
        """Take one event at a time of a monotonic clock."""
        if isinstance(event, TaskResult):
            return self._result(event, now_seconds)
        finished = self._finish(set(self._open), now_seconds)
        self._current.clear()
        if isinstance(event, Play):
            self._play = set(event.hosts)
        else:
            self.hosts = event.hosts
            self.ended = True
        return finished

    def slowest(self, count: int) -> list[TaskSummary]:
        """Return the tasks that took longest."""
        tasks = [
            TaskSummary(role=role, task=task, seconds=round(seconds, 2))
            for (role, task), seconds in self._tasks.items()
        ]
        return sorted(tasks, key=lambda one: -one.seconds)[:count]

    def _result(self, result: TaskResult, now: float) -> list[RoleSummary]:
        start = now - result.seconds
        key = (result.role, result.task)
        self._tasks[key] = max(self._tasks.get(key, 0.0), result.seconds)
        self._open.setdefault(result.role, {}).setdefault(result.host, start)
        if result.status == "changed":
            self.changed.append(result)
            self._changes[result.role] = self._changes.get(result.role, 0) + 1
        if result.status in ("failed", "unreachable"):
            self.failures.append(result)
            self._play.discard(result.host)
        before = self._current.get(result.host)
        self._current[result.host] = result.role
        if before is None or before == result.role:
            return []
        self._left.setdefault(before, set()).add(result.host)
        done = {role for role in self._open if self._play <= self._left.get(role, set())}
        return self._finish(done, start)

    def _finish(self, roles: set[str], now: float) -> list[RoleSummary]:
        finished = []
        for role in [role for role in self._open if role in roles]:
            entered = self._open.pop(role)
            self._left.pop(role, None)
            finished.append(
                RoleSummary(
                    role=role,
                    hosts=len(entered),
                    seconds=round(now - min(entered.values()), 2),
                    changed=self._changes.pop(role, 0),
                )
            )
        self.roles += finished
        return finished
