"""The scheduled re-check of a node: its baseline is its own, one slow night proves nothing, Prometheus reads it all."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portolan import paths

SOURCE = paths.REPOSITORY / "charts" / "node-recheck" / "files" / "recheck.py"
_SPEC = importlib.util.spec_from_file_location("recheck", SOURCE)
recheck = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(recheck)


def run(known, rate, **more):
    settings = {"baseline_runs": 3, "tolerance": 0.8, "confirmations": 2, **more}
    return recheck.judged(known, {"copied": rate, "hashed": 10.0}, now=1.0, **settings)


@pytest.fixture
def settled():
    record = {}
    for rate in (100.0, 90.0, 110.0):
        record = run(record, rate)
        assert record["behind"] == []
    return record


def test_the_median_of_the_first_runs_is_the_baseline(settled):
    assert run(settled, 100.0)["baseline"] == {"copied": 100.0, "hashed": 10.0}


def test_a_node_that_is_slow_twice_in_a_row_is_behind(settled):
    once = run(settled, 79.0)
    assert once["behind"] == []
    twice = run(once, 79.0)
    assert twice["behind"] == ["copied"]
    assert twice["ratios"]["copied"] == pytest.approx(0.79)


def test_one_slow_night_proves_nothing(settled):
    assert run(run(run(settled, 50.0), 100.0), 50.0)["behind"] == []


def test_a_node_that_recovered_is_not_behind_any_more(settled):
    assert run(run(run(settled, 50.0), 50.0), 95.0)["behind"] == []


@given(st.lists(st.floats(1.0, 200.0), max_size=12))
def test_a_slow_decline_does_not_move_the_baseline(rates):
    record = {}
    for rate in (100.0, 100.0, 100.0):
        record = run(record, rate)
    for rate in rates:
        record = run(record, rate)
        assert record["baseline"]["copied"] == 100.0
        assert len(record["baseline_runs"]) == 3


def test_the_taint_comes_and_goes_and_leaves_others_alone():
    other = {"key": "gpu", "effect": "NoSchedule"}
    tainted = recheck.with_taint([other], behind=True)
    assert [taint["key"] for taint in tainted] == ["gpu", "portolan.dev/behind-baseline"]
    assert recheck.with_taint(tainted, behind=True) == tainted
    assert recheck.with_taint(tainted, behind=False) == [other]


def test_prometheus_reads_every_figure_of_every_node(settled):
    text = recheck.exposed({"worker-1": run(run(settled, 50.0), 50.0), "worker-2": run({}, 1.0)})
    assert 'portolan_node_ratio{node="worker-1",figure="copied"} 0.5\n' in text
    assert 'portolan_node_behind{node="worker-1"} 1\n' in text
    assert 'portolan_node_behind{node="worker-2"} 0\n' in text
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len({line.rpartition(" ")[0] for line in samples})


def test_this_machine_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(recheck, "BLOCK", 1 << 20)
    figures = recheck.measured(0.01, tmp_path)
    assert set(figures) == {
        "memory_copied_bytes_per_second", "hashed_bytes_per_second", "durable_appends_per_second",
    }  # fmt: skip
    assert all(value > 0 for value in figures.values())
    assert list(tmp_path.iterdir()) == []
