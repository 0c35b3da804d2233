"""What was measured, and what follows from it."""

from __future__ import annotations

from typing import Literal

from portolan.model import Model
from portolan.sizing.plan import Target, Verdict


class Evidence(Model):
    """One measurement: the value, or why there is none."""

    value: float | str | bool | None
    unit: str
    method: str  # the command or call that gives it
    host: str
    time: str  # RFC 3339, UTC
    detail: str = ""
    reason_not_measured: str | None = None
    simulated: bool = False
    ground: Literal["measured", "inspected"] = "inspected"  # a figure or behaviour tried out, or a setting read
    tools: dict[str, str] = {}  # versions of what printed the raw output
    raw: str = ""  # what was printed, whole


class Judgement(Model):
    """A target, what was measured, and the verdict."""

    target: Target
    evidence: Evidence
    verdict: Verdict
    explanation: str
