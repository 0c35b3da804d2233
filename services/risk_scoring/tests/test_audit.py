"""Decisions are recorded, overrides with their reason, persons masked; a changed log is found."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_server import audit
from model_server.audit import AuditLog, verify
from model_server.errors import ServiceError
from risk_service import MODEL, Running, command, environment, serving

KEY = b"a key of these tests alone"
PATH = f"/v1/models/{MODEL}/decisions"
GOOD: dict[str, Any] = {
    "declaration_id": "97061800",
    "officer": "A. Martin",
    "model_digest": "0" * 64,
    "score": 0.91,
    "told": "red",
    "decision": "red",
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    written = AuditLog(path, KEY)
    for importer in ("QLRUBN9", "7JD1S2X", "QLRUBN9"):
        written.append("decision", {"importer_id": importer, "lane": "red"})
    return path


def test_a_log_follows_from_its_lines_and_is_continued(log: Path) -> None:
    number, last = verify(log)
    assert number == 3
    sealed = AuditLog(log, KEY).append("decision", {"lane": "green"})
    assert json.loads(log.read_text().splitlines()[3])["before"] == last
    assert verify(log) == (4, sealed)


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t.replace("red", "green", 1), lambda t: t.split("\n", 1)[1], lambda t: t.replace("\n", "\n{}\n", 1)],
    ids=["value-changed", "first-line-removed", "line-added"],
)
def test_a_changed_log_is_refused(log: Path, spoil: Any, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_text(spoil(log.read_text()))
    with pytest.raises(ServiceError, match=r"log\.jsonl:[12]: it does not follow"):
        AuditLog(log, KEY)
    assert audit.run([str(log)]) == 2
    assert "the log was changed" in capsys.readouterr().err


def test_persons_are_masked_but_can_be_put_together(log: Path) -> None:
    text = log.read_text()
    assert "QLRUBN9" not in text
    first, second, third = (json.loads(line)["importer_id"] for line in text.splitlines())
    assert first == third != second
    assert (
        AuditLog(log.with_name("other"), b"another key of these").mask({"importer_id": "QLRUBN9"})["importer_id"]
        != first
    )


def test_decisions_are_recorded_before_they_are_confirmed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    folder = tmp_path / "logs"
    folder.mkdir()
    settings = {"MODEL_SERVER_AUDIT_DIR": str(folder), "MODEL_SERVER_AUDIT_KEY_FILE": str(tmp_path / "key")}
    with serving(model, MODEL_SERVER_DRAIN_SECONDS="0", **settings) as running:
        plain = httpx.post(running.url + PATH, json=GOOD)
        unsaid = httpx.post(running.url + PATH, json={**GOOD, "decision": "green"})
        override = httpx.post(running.url + PATH, json={**GOOD, "decision": "green", "reason": "known shipment"})
        wrong = httpx.post(running.url + PATH, json={**GOOD, "told": "blue"})
        text = "".join(path.read_text() for path in folder.iterdir())
    assert (plain.status_code, plain.json()["override"]) == (201, False)
    assert (unsaid.status_code, wrong.status_code) == (422, 422)
    assert unsaid.json()["error"].startswith("reason: missing")
    assert (override.status_code, override.json()["override"]) == (201, True)
    entries = [json.loads(line) for line in text.splitlines()]
    assert [(one["override"], one["reason"]) for one in entries] == [(False, ""), (True, "known shipment")]
    assert "Martin" not in text
    assert "97061800" not in text


def test_without_a_log_no_decision_is_taken(server: Running) -> None:
    answer = httpx.post(server.url + PATH, json=GOOD)
    assert answer.status_code == 404
    assert "MODEL_SERVER_AUDIT_DIR" in answer.json()["error"]


@pytest.mark.parametrize(
    ("folder", "key", "says"),
    [
        ("missing", b"", "cannot be written"),
        (".", None, "MODEL_SERVER_AUDIT_KEY_FILE: missing"),
        (".", b"short", "bytes"),
    ],
    ids=["folder-missing", "key-missing", "key-too-short"],
)
def test_a_log_that_cannot_be_kept_is_told_before_serving(
    model: Path, tmp_path: Path, folder: str, key: bytes | None, says: str
) -> None:
    settings = {"MODEL_SERVER_AUDIT_DIR": str(tmp_path / folder)}
    if key is not None:
        (tmp_path / "key").write_bytes(key)
        settings["MODEL_SERVER_AUDIT_KEY_FILE"] = str(tmp_path / "key")
    ended = subprocess.run(
        command(model, 1), env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert says in ended.stderr
