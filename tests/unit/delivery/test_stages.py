"""Stages run in order, keep a record after every change, and stop at the first error."""

from pathlib import Path

import pytest

from portolan.delivery.stages import Record, Stage, StageRecord, read_record, run_stages
from portolan.errors import PortolanError


def test_a_finished_run_records_every_stage_with_its_result(tmp_path: Path) -> None:
    record_path = tmp_path / "up.json"
    stages = [Stage("plan", "Plan", lambda: "sized"), Stage("hosts", "Hosts", lambda: "3 hosts")]

    run_stages("example", stages, record_path)

    record = read_record(record_path, "example")
    assert [(stage.name, stage.state, stage.result) for stage in record.stages] == [
        ("plan", "done", "sized"),
        ("hosts", "done", "3 hosts"),
    ]


def test_an_error_stops_the_run_and_stays_in_the_record(tmp_path: Path) -> None:
    reached: list[str] = []

    def refuse() -> str:
        raise PortolanError("host worker-1", "unreachable", "start it")

    stages = [
        Stage("plan", "Plan", lambda: "sized"),
        Stage("hosts", "Hosts", refuse),
        Stage("cluster", "Cluster", lambda: reached.append("cluster") or ""),
    ]

    with pytest.raises(PortolanError):
        run_stages("example", stages, tmp_path / "up.json")

    record = read_record(tmp_path / "up.json", "example")
    assert record.stages[-1].state == "failed"
    assert "worker-1" in record.stages[-1].result
    assert reached == []


def test_a_stage_that_is_killed_is_still_recorded_as_running(tmp_path: Path) -> None:
    seen: list[str] = []

    def look() -> str:
        seen.append(read_record(tmp_path / "up.json", "example").stages[-1].state)
        return "done"

    run_stages("example", [Stage("plan", "Plan", look)], tmp_path / "up.json")

    assert seen == ["running"]


def test_a_damaged_record_counts_as_no_record(tmp_path: Path) -> None:
    (tmp_path / "up.json").write_text('{"site": "exam')

    assert read_record(tmp_path / "up.json", "example") == Record(site="example")


def test_the_record_is_not_readable_by_others(tmp_path: Path) -> None:
    run_stages("example", [Stage("plan", "Plan", lambda: "")], tmp_path / "up.json")

    assert (tmp_path / "up.json").stat().st_mode & 0o077 == 0


def test_a_stage_that_runs_again_replaces_its_record() -> None:
    first = StageRecord(name="plan", state="failed", started="", seconds=1)

    record = Record(site="x").with_stage(first).with_stage(first.model_copy(update={"state": "done"}))

    assert [stage.state for stage in record.stages] == ["done"]
