"""Decisions are recorded, overrides with their reason, persons masked; a changed log is found."""

from __future__ import annotations

import json
import resource
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from model_server import audit
from model_server.audit import AuditLog, verify
from model_server.errors import ServiceError
from model_server.journal import Journal
from model_server.open_inference import MESSAGE
from model_server.telemetry import Telemetry
from risk_scoring.dataset import Dataset
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


def test_every_request_has_a_line_with_the_digests_of_what_was_asked_and_answered(
    model: Path, tmp_path: Path, declarations: Dataset
) -> None:
    (tmp_path / "key").write_bytes(KEY)
    folder = tmp_path / "logs"
    folder.mkdir()
    settings = {"MODEL_SERVER_AUDIT_DIR": str(folder), "MODEL_SERVER_AUDIT_KEY_FILE": str(tmp_path / "key")}
    good = {"instances": [dict(declarations.rows[0])]}
    with serving(model, MODEL_SERVER_AUDIT_REQUESTS="true", MODEL_SERVER_DRAIN_SECONDS="0", **settings) as running:
        path = f"{running.url}/v1/models/{MODEL}:predict"
        answers = [httpx.post(path, json=body) for body in (good, {"instances": [{}]}, good)]
        with running.channel() as channel, pytest.raises(grpc.RpcError):
            running.call(channel, "ModelInfer", MESSAGE["ModelInferRequest"](model_name=MODEL))
    (path,) = folder.glob("requests-*.jsonl")
    verify(path)
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [one["status"] for one in entries] == [200, 422, 200, 400]
    assert [one["protocol"] for one in entries] == ["v1", "v1", "v1", "grpc"]
    for entry, answer in zip(entries[:3], answers, strict=True):
        assert entry["asked"] == sha256(answer.request.content).hexdigest()
        assert entry["answered"] == sha256(answer.content).hexdigest()
    assert entries[0]["model_digest"] == answers[0].json()["model_digest"]
    assert declarations.rows[0]["importer_id"] not in path.read_text()


def test_a_journal_masks_its_callers_and_counts_what_the_disk_does_not_take(tmp_path: Path) -> None:
    telemetry = Telemetry((), 0)
    telemetry.join()
    journal = Journal(AuditLog(tmp_path / "log", KEY), telemetry)
    journal.note("v1", 200, "stable", "0" * 64, "officer-4711", b"asked", b"answered")
    size = (tmp_path / "log").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
    try:
        journal.note("v1", 200, "stable", "0" * 64, "officer-4711", b"asked", b"answered")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.note("v1", 200, "stable", "0" * 64, "officer-4711", b"asked", b"answered")
    journal.stop()
    assert verify(tmp_path / "log")[0] == 2
    assert "officer-4711" not in (tmp_path / "log").read_text()
    assert 'audit_failures_total{model="m"} 1' in telemetry.render("m", {})


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
