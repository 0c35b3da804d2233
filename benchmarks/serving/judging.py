"""What was measured of each server becomes figures, held against the peers and the ceiling of the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.figures import Figure, figure, median
from portolan.model import Model

COMMAND = "python -m benchmarks.serving"
PEER, OTHER_PEER = "kserve", "mlserver"
SCORES, REASONS = "portolan", "portolan with reasons"
CEILINGS = {SCORES: "ceiling", REASONS: "ceiling with reasons"}
# The goals are ours: ten times the requests a second of KServe's own server on a core, five times with reasons; each
# as the largest share of its time that is good.
GOALS = {SCORES: 1 / 10, REASONS: 1 / 5}
CEILING_GOAL = 1 / 0.8  # at least 80 % of what the HTTP stack and the bare model give
LATENCY_GOAL_MS = 5.0


class Measured(Model):
    """What one round found of one server."""

    cpu_microseconds: float  # processor time a request, at the most
    most: float  # requests a second on one core
    p99_ms: float  # of an open loop at a share of the most, from the intended times
    memory: float  # MiB of proportional share, of its one worker


def middle(rounds: Sequence[Measured]) -> Measured:
    """Return the median of each quantity."""
    return Measured(**{name: median([getattr(one, name) for one in rounds]) for name in Measured.model_fields})


def judged(found: Mapping[str, Measured], share: float, rounds: int = 1, where: str = "bare") -> list[Figure]:
    """Return the figures of all servers, ours beside the peers and the ceiling where these were measured too.

    A figure with a limit has a ratio to its peer, smaller is better; so the goals for requests a second are held by
    their inverse, the time that a core needs for a request.
    """
    prefix, command = ("", COMMAND) if where == "bare" else (f"{where}: ", f"{COMMAND} --cluster SITE")
    repeated = f", median of {rounds}" if rounds > 1 else ""
    figures: list[Figure] = []

    def add(
        name: str,
        what: str,
        quantity: str,
        unit: str,
        statistic: str,
        peer: str | None = None,
        limit: float | None = None,
        inverse: bool = False,
    ) -> None:
        value = getattr(found[name], quantity)
        beside = getattr(found[peer], quantity) if peer is not None and peer in found else None
        if inverse:
            value, beside = 1e6 / value, None if beside is None else 1e6 / beside
        figures.append(
            figure(
                f"{prefix}{name}: {what}",
                value,
                unit,
                command,
                statistic=statistic + repeated,
                peer=None if beside is None else peer,
                peer_value=beside,
                limit=limit if peer is None or beside is not None else None,
            )
        )

    at = f"latency at {share:.0%} of the most"
    for name in found:
        goal, ceiling = GOALS.get(name), CEILINGS.get(name)
        peer = PEER if goal else None
        add(name, "most requests on a core", "most", "1/s", "mean", peer)
        add(name, "processor time a request", "cpu_microseconds", "us", "mean", peer, goal)
        add(name, at, "p99_ms", "ms", "p99, from the intended time", peer, 1.0 if peer else None)
        others = [one for one in (PEER, OTHER_PEER) if one in found] if goal else []
        lighter = min(others, key=lambda one: found[one].memory) if others else None
        add(name, "memory a worker", "memory", "MiB", "PSS", lighter, 1.0 if lighter else None)
        if goal is None or ceiling is None:
            continue
        add(name, "time of a core a request at the most", "most", "us", "mean", PEER, goal, inverse=True)
        add(name, "processor time against the ceiling", "cpu_microseconds", "us", "mean", ceiling, CEILING_GOAL)
        add(name, "time of a core a request, beside the other peer", "most", "us", "mean", OTHER_PEER, inverse=True)
    if REASONS in found:
        add(REASONS, f"{at}, alone", "p99_ms", "ms", "p99, from the intended time", limit=LATENCY_GOAL_MS)
        if SCORES in found:
            add(REASONS, "processor time beside none", "cpu_microseconds", "us", "mean", SCORES)
    return figures
