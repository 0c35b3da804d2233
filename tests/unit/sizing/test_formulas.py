"""Formulas against numbers worked out elsewhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portolan.sizing import compute, hosts, network, services, storage
from portolan.sizing.reasons import FORMULAS, decide, formula, weigh


def test_the_peak_is_the_day_in_its_hours_times_the_peak_factor() -> None:
    assert compute.arrivals_per_second(28_800, 3, 8) == 3


@pytest.mark.parametrize(
    ("load", "servers", "delayed"),
    [(1.0, 2, 1 / 3), (2.0, 3, 0.4444), (8.0, 10, 0.4092)],  # Erlang C tables: a, c, probability of delay
)
def test_replicas_follow_erlangs_table(load: float, servers: int, delayed: float) -> None:
    # With this wait the table's probability becomes exactly the share that may be late.
    wait = math.log(delayed / compute.LATE_SHARE) / (servers - load)
    assert compute.replicas_for_wait(load, 1.0, wait * 1.001) == servers
    assert compute.replicas_for_wait(load, 1.0, wait * 0.99) == servers + 1


def test_no_declarations_still_need_a_replica() -> None:
    assert compute.replicas_for_wait(0, 0.1, 1) == 1


def test_a_latency_that_computing_alone_exceeds_is_met_without_waiting() -> None:
    assert math.isfinite(compute.replicas_for_wait(10, 2.0, -1.0))


@pytest.mark.parametrize(
    ("k", "availability", "n"),
    [(1, 0.99, 1), (1, 0.9999, 2), (1, 0.99999, 3), (3, 0.99, 4), (10, 0.999, 12)],
)
def test_k_of_n_hosts_of_two_nines(k: int, availability: float, n: int) -> None:
    assert compute.k_of_n(k, availability, 0.99) == n


@pytest.mark.parametrize(("cores", "kept"), [(1, 0.06), (2, 0.07), (4, 0.08), (8, 0.09), (16, 0.11), (96, 0.31)])
def test_reserved_cores_are_googles_published_ones(cores: int, kept: float) -> None:
    assert hosts.reserved_cores(cores) == pytest.approx(kept)


@pytest.mark.parametrize(("gibibytes", "kept"), [(4, 1.0), (8, 1.8), (16, 2.6), (32, 3.56), (128, 9.32)])
def test_reserved_memory_is_googles_published_one(gibibytes: int, kept: float) -> None:
    threshold = 100 * 2**20
    assert hosts.reserved_memory_bytes(gibibytes * 2**30) == pytest.approx(kept * 2**30 + threshold)


@pytest.mark.parametrize(("nodes", "cores"), [(3, 4), (25, 4), (26, 8), (100, 8), (101, 16), (900, 16)])
def test_a_control_plane_grows_with_the_nodes(nodes: int, cores: int) -> None:
    assert hosts.control_plane_cores(nodes) == cores


@given(st.floats(0, 10_000), st.integers(1, 20))
def test_a_node_carries_its_share_or_is_the_largest_there_is(cores: float, left: int) -> None:
    needed = hosts.node_cores(cores, left)
    room = (needed - hosts.reserved_cores(needed)) * hosts.CPU_CEILING
    assert room >= cores / left or needed == hosts.LARGEST_CORES


def test_growth_compounds_year_by_year() -> None:
    assert storage.lake_bytes(1, 730, 0.5) == 365 * (1 + 1.5) * 1e9


def test_a_part_of_a_year_counts_in_part() -> None:
    assert storage.lake_bytes(2, 30, 0.5) == 60e9


def test_ingest_is_in_bits() -> None:
    assert network.ingest_bits_per_second(0, 10_000, 3.6, 1, 1) == pytest.approx(8e6)


def test_training_data_are_shared_by_the_workers() -> None:
    alone = services.training_mebibytes(10**7, 96, 6, 1, 896)
    shared = services.training_mebibytes(10**7, 96, 6, 2, 896)
    assert shared - 896 == pytest.approx((alone - 896) / 2, abs=64)


def test_every_formula_says_how_it_reads_and_where_it_comes_from() -> None:
    assert len(FORMULAS) > 12
    for entry in FORMULAS.values():
        assert entry.expression
        assert entry.source


def test_two_formulas_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match=r"two formulas are called declarations\.arrivals"):
        formula("declarations.arrivals", "x", "y")(lambda: 1.0)


def test_a_number_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="without any reason"):
        decide("cores")


def test_a_reason_carries_the_inputs_that_gave_it() -> None:
    reason = weigh("network.image", image_bytes=1e9, seconds=80)
    assert (reason.value, reason.inputs) == (1e8, {"image_bytes": 1e9, "seconds": 80})
