"""What a check is: its name, its needs, what it measures in which unit, and the function that measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from portolan.conformity.depth import Depth, by_depth

if TYPE_CHECKING:
    from portolan.conformity.world import World


class Scope(StrEnum):
    """What has to stand before the check can measure anything."""

    HOST = "host"
    CLUSTER = "cluster"
    PLATFORM = "platform"
    ENDPOINT = "endpoint"


# "measured": a figure or a behaviour that was tried out. "inspected": a fact or a setting that was read.
Ground = Literal["measured", "inspected"]


@dataclass(frozen=True)
class Reading:
    """What one measurement gave: a value, or the reason why there is none.

    `raw` is what the tool printed, `tools` the versions of the tools that printed it.
    """

    value: float | str | bool | None
    detail: str = ""
    reason_not_measured: str | None = None
    simulated: bool = False
    raw: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)


def nothing(reason: str) -> Reading:
    """Return the reading of something that could not be measured."""
    return Reading(None, reason_not_measured=reason)


@dataclass(frozen=True)
class Needs:
    """What a check cannot do without, and what it costs."""

    device: str = ""  # for example "an NVIDIA GPU"
    hosts: int = 1
    tools: tuple[str, ...] = ()  # programs on the host
    alone: bool = False  # it times something: nothing else of this verification may run beside it
    seconds: Mapping[Depth, float] = field(default_factory=lambda: by_depth(1))
    shares: str = ""  # checks of one name here share one run of their tool, and pay for it once

    @property
    def in_words(self) -> str:
        """Return the needs for people; root over SSH is what every host check has."""
        words = [self.device, f"{self.hosts} hosts" if self.hosts > 1 else "", *self.tools]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True)
class Check:
    """One entry of the registry.

    `measure` gets the site as it is reached, the subject's name ("worker-1" of "host/worker-1") and the
    statistic that is asked for. `reread` gives the reading again from the raw output that was kept: a pure function.
    """

    name: str
    measures: str
    unit: str
    method: str
    measure: Callable[[World, str, str], Reading]
    statistics: tuple[str, ...] = ("value",)
    depth: Depth = Depth.QUICK
    ground: Ground = "inspected"
    needs: Needs = field(default_factory=Needs)
    reread: Callable[[str, str], Reading] | None = None

    @property
    def scope(self) -> Scope:
        """Return what the check needs: the first part of its name."""
        return Scope(self.name.partition(".")[0])
