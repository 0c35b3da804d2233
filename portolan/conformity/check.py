"""What a check is: a name, what it measures in which unit, and the function that measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portolan.conformity.world import World


class Scope(StrEnum):
    """What has to stand before the check can measure anything."""

    HOST = "host"
    CLUSTER = "cluster"
    PLATFORM = "platform"
    ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Reading:
    """What one measurement gave: a value, or the reason why there is none."""

    value: float | str | bool | None
    detail: str = ""
    reason_not_measured: str | None = None
    simulated: bool = False


def nothing(reason: str) -> Reading:
    """Return the reading of something that could not be measured."""
    return Reading(None, reason_not_measured=reason)


@dataclass(frozen=True)
class Check:
    """One entry of the registry.

    `measure` gets the site as it is reached, the subject's name ("worker-1" of "host/worker-1") and the
    statistic that is asked for.
    """

    name: str
    measures: str
    unit: str
    method: str
    measure: Callable[[World, str, str], Reading]
    statistics: tuple[str, ...] = ("value",)

    @property
    def scope(self) -> Scope:
        """Return what the check needs: the first part of its name."""
        return Scope(self.name.partition(".")[0])
