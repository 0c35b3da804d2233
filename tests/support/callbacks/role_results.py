"""Writes each task's result as a line of JSON into the file that ROLE_RESULTS names: what tests of roles read."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: role_results
type: notification
short_description: Results of tasks for tests
description: [Writes a line of JSON a result.]
"""


class CallbackModule(CallbackBase):
    """Note every result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "role_results"

    def note(self, result, *_arguments, **_named) -> None:
        line = json.dumps({"task": result._task.get_name(), "result": result._result}, default=str)
        with Path(os.environ["ROLE_RESULTS"]).open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = note
