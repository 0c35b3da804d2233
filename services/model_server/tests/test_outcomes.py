"""Results that come later are joined to decisions, two versions are told apart no sooner than they may be."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import httpx
import pytest

from conftest import Place, serving
from model_server import outcomes
from model_server.audit import AuditLog

KEY = b"sixteen bytes or more"
A, B = "a" * 64, "b" * 64


def _decision(log: AuditLog, name: str, digest: str, override: bool = False) -> None:
    decision = "green" if override else "red"
    values = {"declaration_id": name, "model_digest": digest, "score": 0.9, "told": "red", "decision": decision}
    log.append("decision", {**values, "override": override, "reason": ""})


def test_results_are_joined_whatever_their_order_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = AuditLog(tmp_path / "one.jsonl", KEY), AuditLog(tmp_path / "other.jsonl", KEY)
    _decision(one, "1", A)
    _decision(one, "2", A, override=True)
    other.append("result", {"declaration_id": "2", "found": True})
    _decision(other, "3", A)
    logs = [str(tmp_path / "one.jsonl"), str(tmp_path / "other.jsonl")]
    assert outcomes.run([*logs, "--feedback", str(tmp_path / "feedback.csv"), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["versions"][A]
    assert (told["decisions"], told["overrides"], told["results"], told["overrides_found"]) == (3, 1, 1, 1)
    rows = list(csv.DictReader((tmp_path / "feedback.csv").open()))
    assert [(row["override"], row["found"]) for row in rows] == [("True", "True")]
    assert "declaration" not in rows[0]["declaration_id"]
    assert rows[0]["declaration_id"] != "2"


def test_a_changed_log_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.jsonl"
    log = AuditLog(path, KEY)
    for name in "12":
        _decision(log, name, A)
    path.write_text(path.read_text().replace('"red"', '"green"', 1))
    assert outcomes.run([str(path)]) == 2
    assert "the log was changed" in capsys.readouterr().err


def test_looking_after_every_result_seldom_finds_what_is_not_there() -> None:
    chance, wrong = random.Random(7), 0
    for _ in range(200):
        found = [0, 0]
        for n in range(1, 400):
            for arm in (0, 1):
                found[arm] += chance.random() < 0.4
            p = outcomes.sequential(found[0], n, found[1], n)
            if p is not None and p < outcomes.LEVEL:
                wrong += 1
                break
    assert wrong / 200 <= 0.06


def test_a_difference_that_is_there_is_found() -> None:
    assert outcomes.sequential(300, 500, 200, 500) < outcomes.LEVEL  # type: ignore[operator]
    assert outcomes.sequential(10, 20, 1, 20) is None
    report = {A: {"found": 300, "results": 500}, B: {"found": 200, "results": 500}}
    assert outcomes.compared(report) == {
        "p_value": pytest.approx(0, abs=1e-3),
        "verdict": f"{A[:12]} finds more",
    }


def test_a_server_records_results(place: Place, tmp_path: Path) -> None:
    digest = place.publish()
    (tmp_path / "audit-key").write_bytes(KEY)
    (tmp_path / "logs").mkdir()
    settings = {
        "MODEL_SERVER_AUDIT_DIR": str(tmp_path / "logs"),
        "MODEL_SERVER_AUDIT_KEY_FILE": str(tmp_path / "audit-key"),
    }
    decision = {"declaration_id": "7", "officer": "4711", "model_digest": digest, "told": "low", "decision": "low"}
    with serving(place.folder, **settings) as server:
        path = f"{server.url}/v1/models/peers"
        assert httpx.post(f"{path}/decisions", json=decision).status_code == 201
        assert httpx.post(f"{path}/results", json={"declaration_id": "7"}).status_code == 422
        assert httpx.post(f"{path}/decisions", json={**decision, "told": "odd"}).status_code == 422
        good = {"declaration_id": "7", "officer": "4711", "found": True}
        assert httpx.post(f"{path}/results", json=good).status_code == 201
    (log,) = (tmp_path / "logs").iterdir()
    (pair,) = outcomes.joined(outcomes.read_logs([str(log)]))
    assert (pair.model_digest, pair.found) == (digest, True)
    assert pair.days is not None
    assert "4711" not in log.read_text()
