"""The cheapest nodes that cover a demand, as a mixed-integer programme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Candidate:
    """Something that may be chosen: its cost, and what one of it gives."""

    name: str
    cost: float
    gives: Mapping[str, float] = field(default_factory=dict)


def cheapest(
    candidates: Sequence[Candidate], demand: Mapping[str, float], least: int = 1, spare: int = 0
) -> tuple[str, int] | None:
    """Return the one kind of node, and how many, that covers the demand at the least cost; None where none can.

    All nodes of a pool are alike, so exactly one kind is chosen; `spare` of them may fail and the rest still carry all.

    >>> cheapest([Candidate("small", 2, {"cores": 4}), Candidate("large", 5, {"cores": 16})], {"cores": 15})
    ('large', 1)
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[import-untyped]

    wanted = {name: value for name, value in demand.items() if value > 0}
    useful = [one for one in candidates if all(one.gives.get(name, 0) > 0 for name in wanted)]
    if not useful:
        return None
    count = len(useful)
    bound = [
        max([least, *(math.ceil(value / one.gives[name] - 1e-9) + spare for name, value in wanted.items())])
        for one in useful
    ]
    # x: how many of each; y: whether the kind is the chosen one.
    rows, low, high = [], [], []
    for name, value in wanted.items():
        gives = np.array([one.gives[name] / value for one in useful])
        rows.append(np.concatenate([gives, -spare * gives]))
        low.append(1.0)
        high.append(np.inf)
    rows.append(np.concatenate([np.ones(count), np.zeros(count)]))
    low.append(float(least))
    high.append(np.inf)
    rows.append(np.concatenate([np.zeros(count), np.ones(count)]))
    low.append(1.0)
    high.append(1.0)
    for place in range(count):
        row = np.zeros(2 * count)
        row[place], row[count + place] = 1.0, -float(bound[place])
        rows.append(row)
        low.append(-np.inf)
        high.append(0.0)
    cost = np.concatenate([[one.cost for one in useful], np.zeros(count)])
    found = milp(
        cost / cost.max(),
        constraints=LinearConstraint(np.array(rows), low, high),
        integrality=np.ones(2 * count),
        bounds=Bounds(0, np.array([*bound, *([1] * count)], dtype=float)),
    )
    if not found.success:
        return None
    chosen = int(np.argmax(found.x[count:]))
    return useful[chosen].name, round(found.x[chosen])
