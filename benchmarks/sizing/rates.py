"""The rate of image detection that sizing plans with, against the published rates of MLPerf."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from ruamel.yaml import YAML

from portolan.sizing.demand import IMAGES_PER_TERAFLOP, IMAGES_PER_TERAFLOP_RANGE

PUBLISHED = Path(__file__).parent / "mlperf.yaml"
# The range was set with these rounds in view: what coverage says of them is its fit; the next round is its first test.


class Rate(NamedTuple):
    """One published rate of one GPU, images a second, and the kit's."""

    name: str
    round: str
    published: float
    planned: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Return how far the planned rate lies from the published one."""
        return self.planned / self.published - 1

    @property
    def covered(self) -> bool:
        """Say whether the published rate lies within P10 and P90."""
        return self.low <= self.published <= self.high


def quantiles() -> tuple[float, float]:
    """Return P10 and P90 of the images a second for each TFLOP/s: a PERT distribution over the range."""
    from scipy.stats import beta  # type: ignore[import-untyped]

    low, likely, high = IMAGES_PER_TERAFLOP_RANGE
    first, second = 1 + 4 * (likely - low) / (high - low), 1 + 4 * (high - likely) / (high - low)
    found = low + (high - low) * beta.ppf(np.array([0.1, 0.9]), first, second)
    return float(found[0]), float(found[1])


def rates() -> list[Rate]:
    """Return all published rates."""
    low, high = quantiles()
    return [
        Rate(
            name=f"{row['gpu']}, round {row['round']}, {row['submitter']}",
            round=row["round"],
            published=row["rate"] / row["gpus"],
            planned=IMAGES_PER_TERAFLOP * row["teraflops"],
            low=low * row["teraflops"],
            high=high * row["teraflops"],
        )
        for row in YAML(typ="safe").load(PUBLISHED.read_text(encoding="utf-8"))
    ]


def coverage(chosen: list[Rate]) -> float:
    """Return the share of published rates that lie within P10 and P90; nominal is 0.8."""
    return sum(rate.covered for rate in chosen) / len(chosen)
