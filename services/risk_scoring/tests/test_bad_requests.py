"""A bad request gets one message that names the field and the remedy.

The files in `requests/` are named after what is wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from risk_scoring.dataset import Dataset
from risk_service import MODEL, Running, tensors

CASES = sorted((Path(__file__).parent / "requests").glob("*.json"))
PATHS = {"v1": f"/v1/models/{MODEL}:predict", "v2": f"/v2/models/{MODEL}/infer"}


def _body(case: dict[str, Any], row: dict[str, Any]) -> bytes:
    """The request of a case: `raw` text, a whole `body`, or a good declaration with `change` and `without`."""
    if "raw" in case:
        return str(case["raw"]).encode()
    if "body" in case:
        return json.dumps(case["body"]).encode()
    row = {**{k: v for k, v in row.items() if k not in case.get("without", ())}, **case.get("change", {})}
    if case["protocol"] == "v1":
        return json.dumps({"instances": [row] * case.get("times", 1), **case.get("beside", {})}).encode()
    inputs = tensors([row])
    for tensor in inputs:
        tensor.update(case.get("tensors", {}).get(tensor["name"], {}))
    return json.dumps({"inputs": inputs, **case.get("beside", {})}).encode()


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_bad_request_is_told_in_one_message(server: Running, declarations: Dataset, path: Path) -> None:
    case = json.loads(path.read_text())
    with server.client() as client:
        good = dict(declarations.rows[0])
        answer = client.post(
            case.get("path", PATHS[case["protocol"]]),
            content=_body(case, good),
            headers={"content-type": "application/json", **case.get("headers", {})},
        )
        still = client.post(PATHS["v1"], json={"instances": [good]})
    assert answer.status_code == case["status"], answer.text
    assert list(answer.json()) == ["error"]
    for part in case["says"]:
        assert part in answer.json()["error"]
    assert still.status_code == 200


def test_there_are_cases() -> None:
    assert len(CASES) >= 20
