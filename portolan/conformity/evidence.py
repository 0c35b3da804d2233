"""What was measured, and what follows from it."""

from __future__ import annotations

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


class Judgement(Model):
    """A target, what was measured, and the verdict."""

    target: Target
    evidence: Evidence
    verdict: Verdict
    explanation: str
