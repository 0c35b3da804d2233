"""Nothing happens before an officer confirms, and the log shows who did what, without saying who."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from assistant_process import Peer, Running, running, standing
from language_assistant.actions import SetLane
from language_assistant.extractive import wished
from language_assistant.proposals import Origin, Proposals, masked_text
from model_server.audit import AuditLog, verify
from model_server.errors import BadRequestError

ORIGIN = Origin("portolan-extractive", "d" * 64, (), "")
RED = {"action": "set_lane", "declaration_id": "D-77", "lane": "red"}


@pytest.fixture(scope="module")
def customs(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Peer]]:
    """An assistant that asks for tokens, with a system behind it that carries out what was confirmed."""
    with standing(Peer()) as peer:
        settings = {
            "MODEL_SERVER_AUDIENCE": "language-assistant",
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "ASSISTANT_EFFECTS_URL": f"{peer.url}/acts",
        }
        with running(model, tmp_path_factory.mktemp("customs"), token="asker", **settings) as assistant:
            yield assistant, peer


@pytest.fixture
def acting(customs: tuple[Running, Peer]) -> tuple[Running, Peer]:
    customs[1].status = 200
    customs[1].asked.clear()
    customs[1].headers.clear()
    return customs


def proposed(assistant: Running, **change: Any) -> str:
    body = {"action": RED | change, "reason": "value far below its peers"}
    response = assistant.client.post("/v1/proposals", json=body)
    assert response.status_code == 201, response.text
    name: str = response.json()["id"]
    return name


def test_an_act_asked_for_in_a_conversation_is_only_proposed(acting: tuple[Running, Peer]) -> None:
    assistant, peer = acting
    message = assistant.said("Please set declaration D-77 to red")
    (proposal,) = message["proposals"]
    assert proposal["action"] == RED
    assert "without effect until an officer confirms it" in message["content"]
    assert proposal["id"] in message["content"]
    assert peer.asked == []


def test_a_confirmed_act_goes_out_once_and_says_who_confirmed(acting: tuple[Running, Peer]) -> None:
    assistant, peer = acting
    name = proposed(assistant)
    assert peer.asked == []
    told = assistant.decide(name, "confirm", token="officer").json()
    assert (told["state"], told["officer"], told["effect"]) == ("confirmed", "officer", "delivered")
    (sent,) = peer.asked
    assert sent == {"proposal": name, "action": RED, "officer": "officer", "recorded": told["recorded"]}
    assert peer.headers[0]["idempotency-key"] == name
    again = assistant.decide(name, "confirm", token="officer")
    assert again.status_code == 409
    assert len(peer.asked) == 1


def test_a_rejected_act_never_goes_out(acting: tuple[Running, Peer]) -> None:
    assistant, peer = acting
    name = proposed(assistant)
    told = assistant.decide(name, "reject", token="officer", reason="the price list is old").json()
    assert (told["state"], told["effect"]) == ("rejected", "none")
    assert assistant.decide(name, "confirm", token="officer").status_code == 409
    assert peer.asked == []


def test_a_rejection_says_why(acting: tuple[Running, Peer]) -> None:
    assistant, _ = acting
    assert assistant.decide(proposed(assistant), "reject", token="officer").status_code == 422


def test_who_may_ask_may_not_confirm(acting: tuple[Running, Peer]) -> None:
    assistant, peer = acting
    name = proposed(assistant)
    for token, status in (("asker", 403), ("stranger", 403), ("nobody", 401)):
        assert assistant.decide(name, "confirm", token=token).status_code == status
    assert assistant.client.get(f"/v1/proposals/{name}").json()["state"] == "open"
    assert peer.asked == []


def test_nobody_confirms_in_anothers_name(acting: tuple[Running, Peer]) -> None:
    assistant, _ = acting
    assert assistant.decide(proposed(assistant), "confirm", token="officer", officer="another").status_code == 400


def test_whoever_shows_no_good_token_is_told_nothing(acting: tuple[Running, Peer]) -> None:
    assistant, _ = acting
    for token, status in (("stranger", 403), ("nobody", 401)):
        headers = {"authorization": f"Bearer {token}"}
        for path in ("/v1/models", "/v1/proposals"):
            assert assistant.client.get(path, headers=headers).status_code == status
        body = {"query": "transit"}
        assert assistant.client.post("/v1/search", json=body, headers=headers).status_code == status


def test_an_act_that_was_not_taken_may_be_confirmed_again(acting: tuple[Running, Peer]) -> None:
    assistant, peer = acting
    name = proposed(assistant)
    peer.status = 500
    assert assistant.decide(name, "confirm", token="officer").json()["effect"] == "failed"
    peer.status = 200
    assert assistant.decide(name, "confirm", token="officer").json()["effect"] == "delivered"
    assert {one["idempotency-key"] for one in peer.headers} == {name}


def test_of_many_decisions_at_once_one_counts(acting: tuple[Running, Peer]) -> None:
    assistant, peer = acting
    name = proposed(assistant)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: assistant.decide(name, "confirm", token="officer").status_code, range(8)))
    assert sorted(done) == [200] + [409] * 7
    assert len(peer.asked) == 1


def test_the_log_is_whole_and_says_nobodys_name(acting: tuple[Running, Peer]) -> None:
    assistant, _ = acting
    name = proposed(assistant, declaration_id="D-SECRET-9")
    reason = "officer rang jo@example.org about D-SECRET-9, account DE89 3704 0044 0532 0130 00"
    assistant.decide(name, "reject", token="officer", reason=reason).raise_for_status()
    for path in assistant.log.glob("*.jsonl"):
        verify(path)
        text = path.read_text()
        for secret in ("D-SECRET-9", "jo@example.org", "3704", '"asker"', '"officer":"officer"'):
            assert secret not in text
    entry = assistant.entries("decision")[-1]
    assert entry["proposal"] == name
    assert entry["state"] == "rejected"
    assert entry["lane"] == "red"
    assert len(entry["officer"]) == 32
    assert entry["decision_reason"] == "[masked] rang [masked] about [masked], account [masked]"


def test_answers_are_logged_by_what_they_rest_on_without_their_words(acting: tuple[Running, Peer]) -> None:
    assistant, _ = acting
    assistant.said("How long is a certificate EVD-1 valid?")
    entry = assistant.entries("answer")[-1]
    assert entry["cited"][0] == "en/origin#validity-of-certificates"
    assert entry["grounded"] is True
    assert "certificate" not in str({**entry, "cited": "", "found": ""})


def test_proposals_are_listed_by_their_state(acting: tuple[Running, Peer]) -> None:
    assistant, _ = acting
    name = proposed(assistant)
    newest = assistant.client.get("/v1/proposals").json()["data"][0]
    assert (newest["id"], newest["requires"]) == (name, "an officer's confirmation")
    assistant.decide(name, "confirm", token="officer").raise_for_status()
    assert name not in [one["id"] for one in assistant.client.get("/v1/proposals?state=open").json()["data"]]
    assert name in [one["id"] for one in assistant.client.get("/v1/proposals?state=confirmed").json()["data"]]


def test_without_tokens_the_officer_is_named(assistant: Running) -> None:
    name = proposed(assistant)
    assert assistant.decide(name, "confirm").status_code == 422
    told = assistant.decide(name, "confirm", officer="A. Officer").json()
    assert (told["state"], told["effect"]) == ("confirmed", "none")


def test_without_a_log_nothing_can_be_proposed(model: Path, tmp_path: Path) -> None:
    nothing = {"MODEL_SERVER_AUDIT_DIR": "", "MODEL_SERVER_AUDIT_KEY_FILE": "", "ASSISTANT_STATE_DIR": ""}
    with running(model, tmp_path, **nothing) as assistant:
        message = assistant.said("Set declaration D-1 to green")
        assert message["proposals"] == []
        assert "cannot be proposed here" in message["content"]
        assert assistant.client.get("/v1/proposals").status_code == 404


class FullDisk(AuditLog):
    """A log whose disk takes nothing more once it is full."""

    full = False

    def append(self, kind: str, values: Any) -> str:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().append(kind, values)


def kept(folder: Path, seconds: float = 60.0) -> Proposals:
    (folder / "state").mkdir(exist_ok=True)
    return Proposals(folder / "state", FullDisk(folder / "log.jsonl", b"k" * 32), seconds)


def test_what_the_log_does_not_take_is_not_decided(tmp_path: Path) -> None:
    proposals = kept(tmp_path)
    made = proposals.propose(SetLane(**RED), "x", ORIGIN)  # type: ignore[arg-type]
    FullDisk.full = True
    try:
        with pytest.raises(OSError, match="No space"):
            proposals.decide(made.id, True, "o", "", True)
        with pytest.raises(OSError, match="No space"):
            proposals.propose(SetLane(**RED), "x", ORIGIN)  # type: ignore[arg-type]
    finally:
        FullDisk.full = False
    assert proposals.read(made.id).state == "open"
    assert len(proposals.listed("open")) == 1


def test_a_proposal_that_nobody_decided_expires(tmp_path: Path) -> None:
    proposals = kept(tmp_path, 0.05)
    made = proposals.propose(SetLane(**RED), "x", ORIGIN)  # type: ignore[arg-type]
    time.sleep(0.1)
    assert proposals.read(made.id).state == "expired"
    with pytest.raises(BadRequestError, match="it is expired"):
        proposals.decide(made.id, True, "o", "", True)


def test_two_processes_see_the_same_proposals(tmp_path: Path) -> None:
    one, other = kept(tmp_path), None
    made = one.propose(SetLane(**RED), "x", ORIGIN)  # type: ignore[arg-type]
    other = Proposals(tmp_path / "state", AuditLog(tmp_path / "other.jsonl", b"k" * 32), 60)
    other.decide(made.id, False, "o", "no", False)
    with pytest.raises(BadRequestError, match="it is rejected"):
        one.decide(made.id, True, "o", "", True)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Set declaration D-1/26 to the red lane please", ("set_lane", "D-1/26", "red")),
        ("Mettez la déclaration D-1 en circuit jaune", ("set_lane", "D-1", "yellow")),
        ("request the certificate of origin for declaration D-2", ("request_document", "D-2", "certificate_of_origin")),
        ("Demandez la facture pour la déclaration D-3", ("request_document", "D-3", "invoice")),
        ("Inspect declaration D-4", ("request_inspection", "D-4", "physical")),
        ("Scannez les marchandises de la déclaration D-5", ("request_inspection", "D-5", "scan")),
    ],
)
def test_fixed_sentences_wish_for_an_act(text: str, action: tuple[str, ...]) -> None:
    told = wished(text)
    assert told is not None
    assert tuple(told.values()) == action


@pytest.mark.parametrize("text", ["When is a declaration put to red?", "What is the red lane?", "declaration D-1"])
def test_a_question_about_acts_wishes_for_none(text: str) -> None:
    assert wished(text) is None


def test_free_text_is_masked() -> None:
    assert masked_text("call +33 6 12 34 56 78, ref 12, in 2026") == "call [masked], ref 12, in 2026"
