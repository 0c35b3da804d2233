"""A log in segments is one chain, and what is shipped is the whole of it, whatever ends the server that writes it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from model_server import audit, outcomes, segments, settings
from model_server.audit import AuditLog, verify
from model_server.errors import ServiceError
from model_server.shipping import Shipper, Shipping
from model_server.storage import Folder
from model_server.telemetry import Telemetry

KEY = b"a key of these tests alone"
HOST = "risk-scoring-predictor-7d9c-x2x4f"
LINES = 40


def written(folder: Path, lines: int = LINES, name: str = f"decisions-{HOST}-7-1.jsonl") -> AuditLog:
    """A log whose segments hold some lines each."""
    folder.mkdir(exist_ok=True)
    log = AuditLog(folder / name, KEY, segment_bytes=1024)
    for number in range(lines):
        log.append("decision", {"declaration_id": str(number), "told": "red", "decision": "red"})
    return log


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_segment_is_no_larger_than_it_may_be_and_the_chain_runs_on(tmp_path: Path) -> None:
    written(tmp_path / "log")
    paths = sorted((tmp_path / "log").iterdir(), key=lambda path: segments.segment_of(path.name))
    assert len(paths) > 5
    assert all(path.stat().st_size <= 1024 for path in paths)
    assert verify(*paths)[0] == LINES
    entries = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    assert [entry["number"] for entry in entries] == list(range(1, LINES + 1))


def test_a_line_that_is_larger_than_a_segment_has_one_of_its_own(tmp_path: Path) -> None:
    log = written(tmp_path, lines=1)
    log.append("decision", {"reason": "x" * 5000})
    log.append("decision", {"reason": "short"})
    assert [path.read_bytes().count(b"\n") for path in sorted(tmp_path.iterdir())] == [1, 1, 1]


def test_a_log_of_several_segments_is_continued(tmp_path: Path) -> None:
    written(tmp_path)
    last = written(tmp_path, lines=1)
    (log,) = segments.read([str(tmp_path)])
    assert log.number == LINES + 1
    assert last.append("decision", {}) == segments.read([str(tmp_path)])[0].last


def test_what_was_noted_in_a_full_segment_is_put_on_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(tmp_path / "requests.jsonl", KEY, segment_bytes=1024)
    for _ in range(12):
        log.note("request", {"asked": "0" * 64})
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.fstat(file).st_ino), real(file)))
    log.flush()
    assert set(synced) == {path.stat().st_ino for path in tmp_path.iterdir()}
    assert len(synced) > 2


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda paths: paths[2].unlink(), "the segment is missing"),
        (lambda paths: paths[2].write_text(paths[2].read_text().replace("red", "green", 1)), "the log was changed"),
        (lambda paths: paths[2].write_text(paths[2].read_text().split("\n", 1)[1]), "the log was changed"),
        (lambda paths: paths[1].rename(paths[-1].with_name(paths[-1].name.replace("0", "1", 1))), "missing"),
    ],
    ids=["segment-removed", "value-changed", "line-removed", "segment-renamed"],
)
def test_a_change_of_any_segment_shows(
    tmp_path: Path, spoil: Any, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "log")
    spoil(sorted((tmp_path / "log").iterdir(), key=lambda path: segments.segment_of(path.name)))
    assert audit.run([str(tmp_path / "log")]) == 2
    assert says in capsys.readouterr().err


def test_where_the_beginning_was_shipped_the_rest_is_checked_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = written(tmp_path)
    last = log.append("decision", {})
    (tmp_path / f"decisions-{HOST}-7-1.jsonl").unlink()
    assert audit.run([str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert f"{LINES + 1} entries, last {last}" in told.out
    assert "segments 1 to 1 are not here: not checked" in told.err


def test_nothing_to_check_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [audit.run([]), audit.run([str(tmp_path)]), audit.run([str(tmp_path / "none.jsonl")])] == [2, 2, 2]
    assert "there is no log in it" in capsys.readouterr().err


def test_what_is_shipped_is_the_log_and_full_segments_are_kept_in_one_place_only(tmp_path: Path) -> None:
    written(tmp_path / "log")
    shipper = Shipper(tmp_path / "log", Folder(tmp_path / "store"), HOST)
    shipper.ship()
    assert len(names(tmp_path / "log")) == 1
    (log,) = segments.read([str(tmp_path / "store")])
    assert (log.number, log.begins) == (LINES, 1)


def test_a_segment_that_grows_is_shipped_again_and_one_that_does_not_is_left_alone(tmp_path: Path) -> None:
    log = written(tmp_path / "log", lines=1)
    shipper = Shipper(tmp_path / "log", Folder(tmp_path / "store"), HOST)
    shipper.ship()
    (shipped,) = (tmp_path / "store").iterdir()
    first = shipped.stat().st_ino
    shipper.ship()
    assert shipped.stat().st_ino == first
    last = log.append("decision", {})
    shipper.ship()
    assert segments.read([str(shipped)])[0].last == last


def test_a_line_that_is_being_written_is_not_shipped(tmp_path: Path) -> None:
    written(tmp_path / "log", lines=2)
    with next((tmp_path / "log").iterdir()).open("ab") as file:
        file.write(b'{"number":3,"bef')
    Shipper(tmp_path / "log", Folder(tmp_path / "store"), HOST).ship()
    assert segments.read([str(tmp_path / "store")])[0].number == 2


def test_a_store_that_does_not_answer_loses_nothing(tmp_path: Path) -> None:
    log = written(tmp_path / "log")
    (tmp_path / "store").write_text("no folder")
    shipper = Shipper(tmp_path / "log", Folder(tmp_path / "store"), HOST)
    with pytest.raises(ServiceError):
        shipper.ship()
    before = names(tmp_path / "log")
    assert len(before) > 5
    (tmp_path / "store").unlink()
    last = log.append("decision", {})
    shipper.ship()
    assert segments.read([str(tmp_path / "store")])[0].last == last


def test_logs_of_other_pods_in_the_same_folder_are_theirs(tmp_path: Path) -> None:
    written(tmp_path / "log", name="decisions-another-7-1.jsonl")
    (tmp_path / "log" / "proposal.json").write_text("{}")
    before = names(tmp_path / "log")
    Shipper(tmp_path / "log", Folder(tmp_path / "store"), HOST).ship()
    assert names(tmp_path / "log") == before
    assert not (tmp_path / "store").exists()


def test_what_a_killed_server_left_is_shipped_by_the_next_and_then_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    written(tmp_path / "log")
    shipping = Shipping(tmp_path / "log", str(tmp_path / "store"), 3600, Telemetry())
    own = written(tmp_path / "log", lines=1, name=f"decisions-{HOST}-8-2.jsonl")
    shipping.finish()
    assert names(tmp_path / "log") == [f"decisions-{HOST}-8-2.jsonl"]
    assert sorted(log.number for log in segments.read([str(tmp_path / "store")])) == [1, LINES]
    assert own.append("decision", {})


def test_failures_are_counted_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: HOST)
    written(tmp_path / "log", lines=1)
    (tmp_path / "store").write_text("no folder")
    telemetry = Telemetry()
    shipping = Shipping(tmp_path / "log", str(tmp_path / "store"), 0.02, telemetry)
    for _ in range(500):
        if 'shipping_failures_total{model="m"} 0' not in telemetry.render("m", {}):
            break
        threading.Event().wait(0.02)
    shipping.finish()
    assert capfd.readouterr().err.count("the log is not shipped") == 1
    assert 'shipping_failures_total{model="m"} 0' not in telemetry.render("m", {})


def test_outcomes_are_read_from_shipped_segments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = written(tmp_path, lines=0)
    values = {"model_digest": "a" * 64, "score": 0.9, "told": "red", "decision": "red", "override": False}
    for number in range(LINES):
        log.append("decision", {"declaration_id": str(number), **values})
        log.append("result", {"declaration_id": str(number), "found": True})
    assert len(names(tmp_path)) > 5
    assert outcomes.run([str(tmp_path), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["versions"]["a" * 64]
    assert (told["decisions"], told["found"]) == (LINES, LINES)


@pytest.mark.parametrize("address", ["http://store/", "s3://", "file://elsewhere/log"])
def test_an_address_that_nothing_can_be_put_to_is_told_before_serving(address: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    environment = {
        "MODEL_SERVER_AUDIT_DIR": str(tmp_path),
        "MODEL_SERVER_AUDIT_KEY_FILE": str(tmp_path / "key"),
        "MODEL_SERVER_AUDIT_STORE": address,
    }
    with pytest.raises(ServiceError, match="no address of a store"):
        settings.load(environment)
