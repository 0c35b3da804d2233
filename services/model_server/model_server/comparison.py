"""How a shadow's answers differ from those that the callers got, counted in cells that all workers share."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

ENDS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5)  # of the absolute difference of two scores
_RECORDS, _DIFFERENCE, _DROPPED, _BUCKETS = 0, 1, 2, 3
_CHANGES = _BUCKETS + len(ENDS) + 1


class Comparison:
    """Counts pairs of answers to the same records."""

    def __init__(self, outcomes: Sequence[str]) -> None:
        self.outcomes = tuple(outcomes)
        self._place = {outcome: i for i, outcome in enumerate(self.outcomes)}
        self.size = _CHANGES + len(self.outcomes) ** 2

    def count(
        self,
        cells: memoryview[float],
        told: tuple[Sequence[float], Sequence[str]],
        shadow: tuple[Sequence[float], Sequence[str]],
    ) -> None:
        """Count scores and outcomes of both sides."""
        for a, b in zip(told[0], shadow[0], strict=True):
            difference = abs(a - b)
            cells[_RECORDS] += 1
            cells[_DIFFERENCE] += difference
            cells[_BUCKETS + bisect_left(ENDS, difference)] += 1
        for before, now in zip(told[1], shadow[1], strict=True):
            cells[_CHANGES + self._place[before] * len(self.outcomes) + self._place[now]] += 1

    def dropped(self, cells: memoryview[float]) -> None:
        """Count a request that was not compared, because the shadow was busy."""
        cells[_DROPPED] += 1

    def report(self, cells: NDArray[Any]) -> dict[str, Any]:
        """Return what was counted, for people and programs."""
        records, width = int(cells[_RECORDS]), len(self.outcomes)
        same = sum(int(cells[_CHANGES + i * width + i]) for i in range(width))
        return {
            "records": records,
            "requests_not_compared": int(cells[_DROPPED]),
            "mean_absolute_difference": float(cells[_DIFFERENCE]) / records if records else None,
            "absolute_difference_at_most": {
                **{str(end): int(cells[_BUCKETS : _BUCKETS + i + 1].sum()) for i, end in enumerate(ENDS)},
                "any": records,
            },
            "same_outcome": same,
            "changes": {
                f"{before} to {now}": int(cells[_CHANGES + i * width + k])
                for i, before in enumerate(self.outcomes)
                for k, now in enumerate(self.outcomes)
                if i != k and cells[_CHANGES + i * width + k]
            },
        }
