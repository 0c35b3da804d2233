"""A case: a target, a scene that reaches it and one that falls below; and the short ways to write one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.unit.conformity.scenes import Scene, text


@dataclass(frozen=True)
class Case:
    """A target, and what is above and below it."""

    operator: str
    value: float | str
    good: Scene
    worse: Scene
    statistic: str = "value"


def prints(operator: str, value: float | str, good: str, worse: str, statistic: str = "value") -> Case:
    """Return the case of a tool that prints one thing and then a worse one."""
    return Case(operator, value, Scene(good), Scene(worse), statistic)


def changed(operator: str, value: float | str, name: str, *swaps: tuple[str, str], statistic: str = "value") -> Case:
    """Return the case of a recorded output and of the same with words changed."""
    return prints(operator, value, text(name), text(name, *swaps), statistic)


def asks(operator: str, value: float | str, good: dict[str, Any], worse: dict[str, Any]) -> Case:
    """Return the case of a server that answers one thing and then a worse one, beside what it answers in both."""
    return Case(operator, value, Scene(answers=good), Scene(answers=good | worse))


PRESENT = ("present", "present")
