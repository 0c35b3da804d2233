"""Declarations to arrivals, arrivals to replicas and cores."""

from __future__ import annotations

import math
from bisect import bisect_left

from portolan.sites.schema import Site
from portolan.sizing.plan import Reason
from portolan.sizing.reasons import formula, weigh

# Processor time to score one item with a boosted-tree model, everything included. Prior of 1 to 10 ms; the upper end is
# taken until the kit's own serving benchmark replaces it.
SECONDS_PER_ITEM = 0.010
# Part of the latency target that the computation itself may take; the rest is for waiting and the network.
SERVICE_SHARE = 0.25
# Share of requests that may wait longer than the rest of the latency target.
LATE_SHARE = 0.01
# A request below this makes a Python service start for minutes; above one core a single process gains nothing.
MILLICORES_SMALLEST, MILLICORES_LARGEST, MILLICORES_STEP = 150, 1000, 50


@formula("declarations.arrivals", "N_day * P / (hours * 3600)", "mean rate of the working day times the peak factor")
def arrivals_per_second(declarations_per_day: float, peak_factor: float, hours: float) -> float:
    """Return the declarations a second at the peak.

    >>> round(arrivals_per_second(2000, 4, 8), 3)
    0.278
    """
    return declarations_per_day * peak_factor / (hours * 3600)


@formula("declarations.cores", "arrivals * items * t_cpu", "offered load (Little's law), in busy cores")
def busy_cores(arrivals_per_second: float, items: float, seconds_per_item: float) -> float:
    """Return the cores that scoring keeps busy at the peak, before any headroom."""
    return arrivals_per_second * items * seconds_per_item


@formula(
    "declarations.millicores",
    "ceil to 50 of items * t_cpu / (0.25 * latency), from 150 to 1000",
    "the computation alone may take a quarter of the latency target",
)
def replica_millicores(items: float, seconds_per_item: float, latency_seconds: float) -> float:
    """Return what one replica asks for so that one declaration is computed in its share of the latency target."""
    wanted = 1000 * items * seconds_per_item / (SERVICE_SHARE * latency_seconds)
    stepped = math.ceil(wanted / MILLICORES_STEP) * MILLICORES_STEP
    return float(min(MILLICORES_LARGEST, max(MILLICORES_SMALLEST, stepped)))


@formula(
    "declarations.replicas",
    "least c with ErlangC(c, a) * exp(-(c - a) * wait / service) <= 0.01",
    "Erlang's delay formula (1917) for M/M/c",
)
def replicas_for_wait(arrivals_per_second: float, service_seconds: float, wait_seconds: float) -> float:
    """Return the replicas with which at most one request in a hundred waits longer than `wait_seconds`.

    >>> replicas_for_wait(0.278, 0.167, 0.833)
    1.0
    """
    load = arrivals_per_second * service_seconds
    if load <= 0:
        return 1.0
    blocked, servers = 1.0, 0
    while True:
        servers += 1
        blocked = load * blocked / (servers + load * blocked)  # Erlang B, one server more
        if servers <= load:
            continue
        delayed = servers * blocked / (servers - load * (1 - blocked))  # Erlang C
        if delayed * math.exp(-(servers - load) * max(0.0, wait_seconds) / service_seconds) <= LATE_SHARE:
            return float(servers)


@formula("availability.spare", "k + 1", "one replica of reserve, so that the service outlives the loss of a node")
def with_spare(k: float) -> float:
    """Return k replicas and one of reserve."""
    return k + 1


@formula(
    "availability.k_of_n",
    "least n with P(at least k of n hosts up) >= availability",
    "binomial; host availability 0.99 is a planning prior (3.7 days a year), until the site's own is known",
)
def k_of_n(k: float, availability: float, host_availability: float) -> float:
    """Return how many replicas make at least k of them be up with the wanted availability.

    >>> k_of_n(1, 0.999, 0.99)
    2.0
    """
    needed = int(k)
    most = 2 * needed + 64
    while _at_least(needed, most, host_availability) < availability:
        most *= 2
    return float(
        bisect_left(range(needed, most), availability - 1e-12, key=lambda n: _at_least(needed, n, host_availability))
        + needed
    )


def _at_least(k: int, n: int, up: float) -> float:
    """Return the probability that at least k of n are up, summed over the few that are down, in logarithms."""
    return math.fsum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(down + 1)
            - math.lgamma(n - down + 1)
            + down * math.log1p(-up)
            + (n - down) * math.log(up)
        )
        for down in range(n - k + 1)
    )


def peak_arrivals(site: Site) -> Reason:
    """Return the site's declarations a second at the peak, with their reason."""
    load = site.workload
    return weigh(
        "declarations.arrivals",
        declarations_per_day=load.declarations_per_day,
        peak_factor=load.peak_factor,
        hours=load.working_hours_per_day,
    )
