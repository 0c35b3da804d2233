"""How deep a verification goes: what it costs grows with it, and so does what it can tell."""

from __future__ import annotations

from enum import StrEnum


class Depth(StrEnum):
    """The three depths. Each holds everything of the shallower ones."""

    QUICK = "quick"  # facts and single calls: nothing is put under load
    STANDARD = "standard"  # each resource under load for seconds
    BURN_IN = "burn-in"  # the same for minutes, for the day of acceptance and not for a cluster that serves

    def holds(self, other: Depth) -> bool:
        """Return whether what belongs to `other` runs at this depth.

        >>> Depth.STANDARD.holds(Depth.QUICK), Depth.QUICK.holds(Depth.STANDARD)
        (True, False)
        """
        order = list(Depth)
        return order.index(other) <= order.index(self)


def by_depth(quick: float, standard: float | None = None, burn_in: float | None = None) -> dict[Depth, float]:
    """Return seconds by depth; a depth that is left out costs what the shallower one does.

    >>> by_depth(1, burn_in=60)[Depth.STANDARD]
    1
    """
    standard = quick if standard is None else standard
    return {Depth.QUICK: quick, Depth.STANDARD: standard, Depth.BURN_IN: standard if burn_in is None else burn_in}
