"""The protocol as its own client speaks it, and what beside it is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from assistant_process import Running
from language_assistant.documents.written import write
from text_encoder import Encoder

EXTRACTIVE, VECTORS = "portolan-extractive", "all-minilm-l6-v2"
QUESTION = "How long is a certificate EVD-1 valid?"
PASSAGE = "en/origin#validity-of-certificates"


@pytest.fixture(scope="module")
def client(assistant: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{assistant.url}/v1", api_key="none", max_retries=0, timeout=60)


def ask(client: openai.OpenAI, text: str = QUESTION, **more: Any) -> Any:
    return client.chat.completions.create(model=EXTRACTIVE, messages=[{"role": "user", "content": text}], **more)


def test_an_answer_cites_the_passages_it_rests_on(client: openai.OpenAI) -> None:
    answer = ask(client)
    message = answer.choices[0].message
    assert "ten months" in message.content
    assert "no language model wrote this" in message.content
    assert "[1]" in message.content
    assert message.citations[0]["passage"] == PASSAGE
    assert "ten months" in message.citations[0]["text"]
    assert message.grounded is True
    assert (answer.object, answer.model, answer.choices[0].finish_reason) == ("chat.completion", EXTRACTIVE, "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_french_question_is_answered_from_french_texts(client: openai.OpenAI) -> None:
    message = ask(client, "Combien de temps un certificat est-il valable ?").choices[0].message
    assert "dix mois" in message.content
    assert "aucun modèle de langage" in message.content
    assert {one["language"] for one in message.citations} == {"fr"}


def test_what_the_texts_do_not_hold_is_not_made_up(client: openai.OpenAI) -> None:
    message = ask(client, "Who won the football world cup?").choices[0].message
    assert "hold nothing on this" in message.content
    assert (message.citations, message.grounded) == ([], None)


def test_a_stream_tells_the_same_as_the_whole(client: openai.OpenAI) -> None:
    pieces = list(ask(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(one.choices[0].delta.content or "" for one in pieces if one.choices)
    whole = ask(client)
    assert text == whole.choices[0].message.content
    assert pieces[0].choices[0].delta.role == "assistant"
    assert len({one.id for one in pieces}) == 1
    last = [one for one in pieces if one.choices][-1].choices[0]
    assert last.finish_reason == "stop"
    assert last.delta.citations == whole.choices[0].message.citations
    assert pieces[-1].choices == []
    assert pieces[-1].usage == whole.usage


def test_a_stream_is_events_that_end_with_done(assistant: Running) -> None:
    response = assistant.ask(QUESTION, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.text.split("\n\n")
    assert all(one.startswith("data: ") for one in events[:-1])
    assert events[-2:] == ["data: [DONE]", ""]


def test_an_answer_may_be_cut(client: openai.OpenAI) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        answer = ask(client, **{name: 15})
        assert answer.choices[0].finish_reason == "length"
        assert len(answer.choices[0].message.content.split()) == 15


def test_a_short_question_is_searched_with_the_one_before(client: openai.OpenAI) -> None:
    messages = [
        {"role": "user", "content": "May I appeal against a decision?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Until when?"},
    ]
    answer: Any = client.chat.completions.create(model=EXTRACTIVE, messages=messages)  # type: ignore[arg-type]
    assert answer.choices[0].message.citations[0]["passage"] == "en/control#appeals"


def test_content_in_parts_is_read_whole(client: openai.OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "How long is"}, {"type": "text", "text": "a certificate EVD-1 valid?"}]
    message = ask(client, parts).choices[0].message
    assert message.citations[0]["passage"] == PASSAGE


def test_the_older_kind_of_request_is_answered_too(client: openai.OpenAI) -> None:
    answer: Any = client.completions.create(model=EXTRACTIVE, prompt=QUESTION)
    assert "ten months" in answer.choices[0].text
    assert answer.citations[0]["passage"] == PASSAGE
    stream: Any = client.completions.create(model=EXTRACTIVE, prompt=QUESTION, stream=True)
    assert "".join(one.choices[0].text for one in stream) == answer.choices[0].text


def test_models_are_listed_and_told(client: openai.OpenAI) -> None:
    assert [one.id for one in client.models.list()] == [EXTRACTIVE, VECTORS]
    assert client.models.retrieve(VECTORS).object == "model"


@pytest.mark.parametrize("encoding", [openai.NOT_GIVEN, "float", "base64"])
def test_vectors_are_those_of_the_encoder(client: openai.OpenAI, encoder: Encoder, encoding: Any) -> None:
    texts = ["green coffee", "café vert"]
    told = client.embeddings.create(model=VECTORS, input=texts, encoding_format=encoding)
    vectors = [one.embedding for one in told.data]
    if encoding == "base64":
        vectors = [np.frombuffer(base64.b64decode(one), "<f4") for one in vectors]  # type: ignore[arg-type, misc]
    assert np.allclose(np.array(vectors), encoder.encode(texts), atol=1e-6)


def test_errors_are_those_of_the_client(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt")
    with pytest.raises(openai.NotFoundError, match="makes no vectors"):
        client.embeddings.create(model=EXTRACTIVE, input="x")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, n=3)
    assert caught.value.param == "n"
    assert caught.value.type == "invalid_request_error"


CASES = sorted((Path(__file__).parent / "requests").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_bad_request_is_refused_by_its_parameter(assistant: Running, path: Path) -> None:
    case = json.loads(path.read_text())
    response = assistant.client.post(case["path"], json=case["body"])
    assert response.status_code == case.get("status", 400), response.text
    assert response.json()["error"]["param"].startswith(case["where"])


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", b"[1]", 400),
        ("POST", "/v1/chat/completions", b'"' + b"x" * (9 << 20) + b'"', 413),
        ("GET", "/v1/chat/completions", None, 405),
        ("DELETE", "/v1/proposals", None, 405),
        ("GET", "/v1/nowhere", None, 404),
        ("GET", "/v1/proposals?state=lost", None, 400),
        ("GET", "/v1/proposals/..%2f..%2fkey", None, 404),
        ("POST", "/metrics", b"", 405),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_what_is_no_request_gets_a_4xx(
    assistant: Running, method: str, path: str, content: bytes | None, status: int
) -> None:
    assert assistant.client.request(method, path, content=content).status_code == status


def test_passages_can_be_searched_alone(assistant: Running) -> None:
    told = assistant.client.post("/v1/search", json={"query": QUESTION, "top": 2}).json()
    assert told["data"][0]["passage"] == PASSAGE
    assert len(told["index_digest"]) == 64


def test_an_invoice_is_read_over_http(assistant: Running) -> None:
    written = write(5)
    told = assistant.client.post("/v1/documents:read", json={"text": written.text}).json()
    assert told["fields"]["number"]["value"] == written.fields["number"]
    assert all(one["agrees"] for one in told["checks"])


def test_answers_are_counted_by_what_they_rest_on(assistant: Running) -> None:
    assistant.ask(QUESTION)
    text = assistant.client.get("/metrics").text
    counted = [line for line in text.splitlines() if 'outcome="grounded"' in line]
    assert counted
    assert not counted[0].endswith(" 0")


def test_health_is_told(assistant: Running) -> None:
    ready = httpx.get(f"{assistant.url}/v2/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"ready": True})
