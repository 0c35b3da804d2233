"""Worked examples that others have published, and what the kit's formulas say to the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from portolan.sizing import compute, demand, hosts, storage, traffic

GIBIBYTE = 2**30


class Example(NamedTuple):
    """One published number: what it is, who says so, the number, and the kit's."""

    name: str
    source: str
    published: float
    unit: str
    ours: Callable[[], float]


def _kept(gibibytes: float) -> float:
    """Return the memory that a node keeps for itself in GiB, without the eviction threshold of 100 MiB."""
    return (hosts.reserved_memory_bytes(int(gibibytes * GIBIBYTE)) - 100 * 2**20) / GIBIBYTE


def _delay(load: float, servers: int) -> float:
    """Return the probability of waiting that the formula of replicas uses, found by where it changes its answer."""
    low, high = 1e-9, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        enough = compute.replicas_for_wait(load, 1.0, middle) <= servers
        low, high = (low, middle) if enough else (middle, high)
    return compute.LATE_SHARE * 2.718281828459045 ** ((servers - load) * high)


EXAMPLES = (
    *(
        Example(f"node memory kept, {size} GiB", "Google, GKE node sizes: reserved memory", kept, "GiB",
                lambda size=size: _kept(size))  # type: ignore[misc]
        for size, kept in ((4, 1.0), (8, 1.8), (16, 2.6), (32, 3.56), (128, 9.32))
    ),
    *(
        Example(f"node cores kept, {cores}", "Google, GKE node sizes: reserved CPU", kept, "cores",
                lambda cores=cores: hosts.reserved_cores(cores))  # type: ignore[misc]
        for cores, kept in ((1, 0.06), (2, 0.07), (4, 0.08), (16, 0.11))
    ),
    *(
        Example(f"Erlang C, load {load:g}, {servers} servers", "Erlang C tables", delayed, "probability",
                lambda load=load, servers=servers: _delay(load, servers))  # type: ignore[misc]
        for load, servers, delayed in ((1.0, 2, 1 / 3), (2.0, 3, 0.4444), (8.0, 10, 0.4092))
    ),
    Example("operations of training GPT-3", "Brown et al. 2020, table D.1", 3.14e23, "operations",
            lambda: demand.language_training_hours(175, 300e9, 6, 312) * 3600 * 312e12 * demand.TRAINING_UTILISATION),
    Example("cache of a token, Llama 3 8B", "Meta, model configuration: 2 * 32 * 8 * 128 * 2", 131_072, "bytes",
            lambda: demand.cache_bytes_per_token(8)),
    Example("cache of a token, Llama 3 70B", "Meta, model configuration: 2 * 80 * 8 * 128 * 2", 327_680, "bytes",
            lambda: demand.cache_bytes_per_token(70)),
    Example("ring all-reduce, 4 GPUs, 1 GB/s", "Patarasuk and Yuan 2009", 12e9, "bits/s",
            lambda: traffic.all_reduce_bits(4, 1e9, 1)),
    Example("compound growth, 1 GB/day, 50 %, 2 years", "geometric series", 365 * 2.5e9, "bytes",
            lambda: storage.lake_bytes(1, 730, 0.5)),
)  # fmt: skip
