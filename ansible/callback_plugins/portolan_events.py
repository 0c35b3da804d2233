"""Tell `portolan converge` what happens: one JSON object a line, to the descriptor in PORTOLAN_EVENTS_FD."""

from __future__ import annotations

import json
import os
import signal
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: portolan_events
type: notification
short_description: Events for `portolan converge`
description:
  - Writes one JSON object a line to the descriptor that the environment variable PORTOLAN_EVENTS_FD names.
  - Without that variable it is silent, so that plain ansible-playbook works as ever.
requirements: [enable in configuration]
"""


class CallbackModule(CallbackBase):
    """Write events; where nobody reads them any more, stop the run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "portolan_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        descriptor = os.environ.get("PORTOLAN_EVENTS_FD")
        self.descriptor = int(descriptor) if descriptor else None
        self.started: dict[tuple[str, str], float] = {}

    def send(self, **event: object) -> None:
        if self.descriptor is None:
            return
        try:
            os.write(self.descriptor, (json.dumps(event) + "\n").encode())
        except BrokenPipeError:
            self.descriptor = None
            os.kill(os.getpid(), signal.SIGTERM)

    def v2_playbook_on_play_start(self, play) -> None:
        manager = play.get_variable_manager()
        hosts = [host.name for host in manager._inventory.get_hosts(play.hosts)] if manager else []
        self.send(kind="play", play=play.get_name(), hosts=hosts)

    def v2_runner_on_start(self, host, task) -> None:
        self.started[host.get_name(), task._uuid] = time.monotonic()

    def result(self, status: str, result) -> None:
        host, task = result._host.get_name(), result._task
        started = self.started.pop((host, task._uuid), None)
        role = task._role.get_name() if task._role else ""
        message = ""
        if status in ("failed", "unreachable", "ignored"):
            message = failure_message(result._result)
        self.send(
            kind="result",
            host=host,
            role=role,
            task=task.get_name().removeprefix(f"{role} : "),
            status=status,
            seconds=time.monotonic() - started if started is not None else 0.0,
            message=message,
        )

    def v2_runner_on_ok(self, result, **_named) -> None:
        self.result("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_skipped(self, result) -> None:
        self.result("skipped", result)

    def v2_runner_on_failed(self, result, ignore_errors=False) -> None:
        self.result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result) -> None:
        # A play that may go on without the host says so; the host is then left out, and nothing has failed.
        self.result("ignored" if result._task.ignore_unreachable else "unreachable", result)

    def v2_playbook_on_stats(self, stats) -> None:
        self.send(kind="end", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})


def failure_message(result: dict) -> str:
    """Return what went wrong, from a task's result: its message, and the end of what its command said."""
    if "censored" in result:
        return "the task's output is hidden, because it carries a secret"
    for item in result.get("results", []):
        if isinstance(item, dict) and item.get("failed"):
            return failure_message(item)
    parts = [str(result.get("msg", "")).strip()]
    for stream in ("stderr", "module_stderr", "stdout", "module_stdout"):
        text = str(result.get(stream) or "").strip()
        if text:
            parts.append("\n".join(text.splitlines()[-8:]))
            break
    return "\n".join(part for part in parts if part)
