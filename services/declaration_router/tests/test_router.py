"""A declaration gets one answer in its time; what is missing in it is said."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from declaration_router import serve
from router_chain import Chain, routing

GOODS = {"hs6_code": "090111", "country_of_origin": "BR", "net_mass": 100.0, "item_price": 400.0}
DECLARATION = {**GOODS, "importer_id": "X1", "tax_rate": 8.0}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_all_models_answer_as_one(chain: Chain) -> None:
    answer = chain.assess(declaration=DECLARATION, description="coffee").json()
    assert answer["outcome"] == "complete"
    assert {name: part["state"] for name, part in answer["parts"].items()} == dict.fromkeys(answer["parts"], "answered")
    assert answer["advice"]["lane"] == "green"
    assert answer["advice"]["classification"] == "agrees"
    assert answer["parts"]["risk"]["model_digest"] == "d" * 64


def test_each_model_is_sent_what_it_needs(chain: Chain) -> None:
    chain.assess(declaration=DECLARATION, description="coffee")
    assert chain.risk.asked == [{"instances": [DECLARATION]}]
    assert chain.classification.asked == [{"instances": [{"description": "coffee"}]}]
    assert chain.valuation.asked == [{"instances": [GOODS]}]


def test_published_column_titles_serve_too(chain: Chain) -> None:
    titled = {"HS6 Code": "090111", "Country of Origin": "BR", "Net Mass": 1.0, "Item Price": 2.0}
    assert chain.assess(declaration=titled).json()["parts"]["valuation"]["state"] == "answered"


def test_one_trace_from_the_caller_to_every_model(chain: Chain) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    body = {"declaration": DECLARATION, "description": "coffee"}
    answer = chain.client.post("/v1/declarations:assess", json=body, headers=headers)
    assert answer.json()["trace_id"] == TRACE
    assert answer.headers["traceparent"].split("-")[1] == TRACE
    sent = [*chain.risk.traces, *chain.classification.traces, *chain.valuation.traces]
    assert [one.split("-")[1] for one in sent] == [TRACE] * 3
    assert len({one.split("-")[2] for one in sent}) == 3


@pytest.mark.parametrize("header", ["", "00-xyz", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_without_a_trace_a_new_one_begins(chain: Chain, header: str) -> None:
    body = {"declaration": DECLARATION}
    answer = chain.client.post("/v1/declarations:assess", json=body, headers={"traceparent": header}).json()
    assert len(answer["trace_id"]) == 32
    assert answer["trace_id"] not in (TRACE, "0" * 32)


def test_a_slow_model_costs_its_part_not_the_answer(chain: Chain) -> None:
    chain.valuation.delay_seconds = 3
    start = time.monotonic()
    response = chain.assess(declaration=DECLARATION, description="coffee", time_budget_seconds=0.5)
    took = time.monotonic() - start
    answer = response.json()
    assert response.status_code == 200
    assert answer["outcome"] == "partial"
    assert answer["parts"]["valuation"]["state"] == "timed out"
    assert answer["advice"]["missing"] == ["valuation"]
    assert answer["advice"]["lane"] == "green"
    assert took < 1.5


@pytest.mark.parametrize(("status", "body"), [(500, None), (503, None), (200, b"<html>"), (200, b'{"predictions":[]}')])
def test_a_failing_model_is_told(chain: Chain, status: int, body: bytes | None) -> None:
    chain.classification.status, chain.classification.body = status, body
    answer = chain.assess(declaration=DECLARATION, description="coffee").json()
    assert answer["outcome"] == "partial"
    assert answer["parts"]["classification"]["state"] == "failed"
    assert "classification" in answer["parts"]["classification"]["error"]


def test_without_the_risk_model_there_is_no_lane(chain: Chain) -> None:
    chain.risk.status = 500
    advice = chain.assess(declaration=DECLARATION).json()["advice"]
    assert advice["lane"] is None
    assert "an officer decides" in advice["reasons"][-1]


def test_where_no_model_answers_the_status_says_so(chain: Chain) -> None:
    for model in (chain.risk, chain.classification, chain.valuation):
        model.status = 500
    response = chain.assess(declaration=DECLARATION, description="coffee")
    assert response.status_code == 503
    assert response.json()["outcome"] == "none"


def test_a_declaration_that_all_refuse_is_the_callers_mistake(chain: Chain) -> None:
    for model in (chain.risk, chain.classification, chain.valuation):
        model.status = 422
    response = chain.assess(declaration=DECLARATION, description="coffee")
    assert response.status_code == 422
    assert "send six digits" in response.json()["parts"]["risk"]["error"]


def test_without_a_description_classification_is_not_asked_and_the_answer_is_complete(chain: Chain) -> None:
    answer = chain.assess(declaration=DECLARATION).json()
    assert answer["outcome"] == "complete"
    assert answer["parts"]["classification"]["state"] == "not asked"
    assert not chain.classification.asked


def test_a_very_low_value_makes_green_yellow(chain: Chain) -> None:
    chain.valuation.prediction |= {"outcome": "very low", "explanation": {"share_of_usual": 0.2}}
    advice = chain.assess(declaration=DECLARATION).json()["advice"]
    assert advice["lane"] == "yellow"
    assert any("20%" in reason for reason in advice["reasons"])


def test_other_goods_than_declared_make_green_yellow_only_when_sure(chain: Chain) -> None:
    other = [{"hs6_code": "090121", "text": "Roasted", "confidence": 0.9}]
    chain.classification.prediction |= {"hs6_code": "090121", "candidates": other}
    assert chain.assess(declaration=DECLARATION, description="x").json()["advice"]["lane"] == "yellow"
    chain.classification.prediction |= {"outcome": "unsure"}
    assert chain.assess(declaration=DECLARATION, description="x").json()["advice"]["lane"] == "green"


def test_red_stays_red(chain: Chain) -> None:
    chain.risk.prediction |= {"lane": "red", "score": 0.9}
    assert chain.assess(declaration=DECLARATION, description="x").json()["advice"]["lane"] == "red"


def test_what_came_of_each_part_is_counted(chain: Chain) -> None:
    chain.assess(declaration=DECLARATION)
    text = chain.client.get("/metrics").text
    assert 'outcome="risk answered"' in text
    assert 'model_server_requests_total{model="declaration-router",arm="stable",protocol="v1",status="200"}' in text


CASES = sorted((Path(__file__).parent / "requests").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_bad_request_is_refused_by_its_key(chain: Chain, path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text())
    response = chain.client.post("/v1/declarations:assess", content=json.dumps(case["body"]))
    assert response.status_code == case.get("status", 400), response.text
    assert response.json()["error"].startswith(case["where"])
    assert not chain.risk.asked


def test_a_part_that_is_not_deployed_is_told() -> None:
    with routing(risk="http://127.0.0.1:9/risk-scoring") as client:
        response = client.post("/v1/declarations:assess", json={"declaration": DECLARATION})
    assert response.status_code == 503
    states = {name: part["state"] for name, part in response.json()["parts"].items()}
    assert states == {"risk": "failed", "classification": "not deployed", "valuation": "not deployed"}


@pytest.mark.parametrize(
    ("arguments", "variables", "where"),
    [
        ([], {}, "parts: none is given"),
        (["--risk", "risk-scoring"], {}, "--risk: "),
        (["--risk", "http://host/"], {}, "--risk: "),
        (["--risk", "http://host/m"], {"ROUTER_BUDGET_SECONDS": "soon"}, "ROUTER_BUDGET_SECONDS: "),
        (["--risk", "http://host/m"], {"ROUTER_CA_FILE": "/nowhere"}, "ROUTER_CA_FILE: "),
    ],
)
def test_a_wrong_setting_ends_it_with_one_line(
    arguments: list[str],
    variables: dict[str, str],
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert serve.run(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(where)
    assert said.count("\n") == 1
