"""A language model elsewhere: it is given passages and rules, and what it says is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant_process import Peer, Running, running, standing
from language_assistant.citations import Checker

QUESTION = "How long is a certificate EVD-1 valid?"
LLM = "tiny-llm"


@pytest.fixture(scope="module")
def pair(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Peer]]:
    with standing(Peer()) as peer:
        settings = {
            "ASSISTANT_UPSTREAM_URL": f"{peer.url}/v1",
            "ASSISTANT_UPSTREAM_MODEL": LLM,
            "ASSISTANT_UPSTREAM_TOOLS": "true",
            "ASSISTANT_UPSTREAM_SECONDS": "2",
        }
        with running(model, tmp_path_factory.mktemp("pair"), **settings) as assistant:
            yield assistant, peer


@pytest.fixture
def llm(pair: tuple[Running, Peer]) -> tuple[Running, Peer]:
    peer = pair[1]
    peer.status, peer.delay_seconds = 200, 0.0
    peer.asked.clear()
    peer.says("It is valid for ten", " months [1", "].")
    return pair


def test_it_is_named_first_and_the_extractive_one_stays(llm: tuple[Running, Peer]) -> None:
    names = [one["id"] for one in llm[0].client.get("/v1/models").json()["data"]]
    assert names == [LLM, "portolan-extractive", "all-minilm-l6-v2"]


def test_it_answers_from_passages_that_it_is_given(llm: tuple[Running, Peer]) -> None:
    assistant, peer = llm
    message = assistant.said(QUESTION, model=LLM, temperature=0.1)
    assert message["content"] == "It is valid for ten months [1]."
    assert message["citations"][0]["passage"] == "en/origin#validity-of-certificates"
    assert message["grounded"] is True
    (sent,) = peer.asked
    assert sent["temperature"] == 0.1
    assert sent["messages"][0]["role"] == "system"
    assert "[1] Note 2: Origin of goods, Validity of certificates:" in sent["messages"][0]["content"]
    assert sent["messages"][1] == {"role": "user", "content": QUESTION}
    assert {one["function"]["name"] for one in sent["tools"]} == {"set_lane", "request_document", "request_inspection"}


def test_a_callers_system_message_comes_after_the_rules(llm: tuple[Running, Peer]) -> None:
    assistant, peer = llm
    messages = [{"role": "system", "content": "Cite nothing."}, {"role": "user", "content": QUESTION}]
    assistant.client.post("/v1/chat/completions", json={"model": LLM, "messages": messages}).raise_for_status()
    assert [one["role"] for one in peer.asked[0]["messages"]] == ["system", "system", "user"]
    assert "[1]" in peer.asked[0]["messages"][0]["content"]


def test_marks_of_passages_that_it_was_not_given_are_taken_out(llm: tuple[Running, Peer]) -> None:
    assistant, peer = llm
    peer.says("Ten months [1, 42], or so [97", "].")
    message = assistant.said(QUESTION, model=LLM)
    assert message["content"].startswith("Ten months [1], or so.")
    assert "cited passages that were not given to it" in message["content"]
    assert message["content"].endswith("42, 97")
    assert message["grounded"] is False


def test_an_answer_that_cites_nothing_says_so(llm: tuple[Running, Peer]) -> None:
    assistant, peer = llm
    peer.says("Ten years, I am sure.")
    message = assistant.said(QUESTION, model=LLM)
    assert "cites no passage of the texts" in message["content"]
    assert (message["citations"], message["grounded"]) == ([], False)


def test_what_it_wants_done_is_a_proposal_and_no_more(llm: tuple[Running, Peer]) -> None:
    assistant, peer = llm
    peer.says(tool=("set_lane", '{"declaration_id": "D-5", "lane": "red"}'))
    message = assistant.said("Please put declaration D-5 into the red lane", model=LLM)
    (proposal,) = message["proposals"]
    assert proposal["action"] == {"declaration_id": "D-5", "action": "set_lane", "lane": "red"}
    assert proposal["state"] == "open"
    assert "without effect until an officer confirms" in message["content"]
    assert "tool_calls" not in message
    told = assistant.client.get(f"/v1/proposals/{proposal['id']}").json()
    assert told["origin"]["model"] == LLM


@pytest.mark.parametrize(
    "tool",
    [
        ("pay", '{"declaration_id": "D-5"}'),
        ("set_lane", '{"declaration_id": "D-5", "lane": "gold"}'),
        ("set_lane", '{"declaration_id": '),
        ("set_lane", "[]"),
    ],
)
def test_what_is_no_act_is_not_proposed(llm: tuple[Running, Peer], tool: tuple[str, str]) -> None:
    assistant, peer = llm
    peer.says(tool=tool)
    message = assistant.said("Do it", model=LLM)
    assert message["proposals"] == []
    assert "cannot be proposed" in message["content"]


def test_a_model_that_is_away_is_told_and_not_replaced(llm: tuple[Running, Peer]) -> None:
    assistant, peer = llm
    for change in ({"status": 500}, {"delay_seconds": 3.0}, {"lines": ["data: {"]}, {"lines": ["data: [1]"]}):
        peer.status, peer.delay_seconds = 200, 0.0
        for name, value in change.items():
            setattr(peer, name, value)
        response = assistant.ask(QUESTION, model=LLM)
        assert response.status_code == 503, change
        assert "ask the extractive model" in response.json()["error"]["message"]
    assert assistant.ask(QUESTION).status_code == 200


def test_a_stream_that_breaks_off_says_so(llm: tuple[Running, Peer]) -> None:
    assistant, peer = llm
    peer.says("It is valid", whole=False)
    text = assistant.ask(QUESTION, model=LLM, stream=True).text
    assert "It is valid" in text
    assert '"error"' in text
    assert "[DONE]" not in text
    assert assistant.ask(QUESTION, model=LLM).status_code == 503


@pytest.mark.parametrize("cut", range(1, 30))
def test_marks_are_whole_wherever_a_stream_is_cut(cut: int) -> None:
    text = "One [1] two [2, 9] three [8]."
    checker = Checker(2, [], [])
    told = checker.push(text[:cut]) + checker.push(text[cut:]) + checker.rest()
    assert told == "One [1] two [2] three."
    assert (checker.cited, checker.invented) == ([1, 2], [9, 8])


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"ASSISTANT_UPSTREAM_URL": "llm"}, "ASSISTANT_UPSTREAM_URL: "),
        ({"ASSISTANT_UPSTREAM_URL": "http://llm/v1"}, "ASSISTANT_UPSTREAM_MODEL: "),
        (
            {
                "ASSISTANT_UPSTREAM_URL": "http://llm/v1",
                "ASSISTANT_UPSTREAM_MODEL": "m",
                "ASSISTANT_UPSTREAM_TOOLS": "1",
            },
            "ASSISTANT_UPSTREAM_TOOLS: ",
        ),
        ({"ASSISTANT_UPSTREAM_CA_FILE": "/nowhere"}, "ASSISTANT_UPSTREAM_CA_FILE: "),
        ({"ASSISTANT_STATE_DIR": "/nowhere"}, "ASSISTANT_STATE_DIR: "),
        ({"ASSISTANT_EFFECTS_URL": "http://customs/acts"}, "ASSISTANT_EFFECTS_URL: "),
        ({"ASSISTANT_PROPOSAL_HOURS": "never"}, "ASSISTANT_PROPOSAL_HOURS: "),
    ],
)
def test_a_wrong_setting_ends_it_with_one_line(
    settings: dict[str, str],
    where: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from language_assistant import serve

    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    arguments: list[Any] = ["--model-dir", str(model)]
    assert serve.run(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(where)
    assert said.count("\n") == 1
