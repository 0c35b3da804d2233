"""The server keeps the protocols' texts. Each file in `conformance/` is one sentence of a text: request and answer.

`$MODEL`, `$VERSION`, `$DECLARATION` and `$TENSORS` stand for what the server under test has. `schema` is JSON Schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from risk_scoring.dataset import Dataset
from risk_scoring.predictor import Predictor
from risk_service import MODEL, Running, tensors

CASES = sorted((Path(__file__).parent / "conformance").glob("*.json"))


def _filled(value: Any, known: dict[str, Any]) -> Any:
    """`value` with what stands for something replaced, in texts too."""
    if isinstance(value, dict):
        return {key: _filled(entry, known) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, known) for entry in value]
    if isinstance(value, str):
        if value in known:
            return known[value]
        for name in ("$MODEL", "$VERSION"):
            value = value.replace(name, known[name])
    return value


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_the_server_keeps_the_protocol(
    server: Running, predictor: Predictor, declarations: Dataset, path: Path
) -> None:
    row = dict(declarations.rows[0])
    known = {
        "$MODEL": MODEL,
        "$VERSION": predictor.digest[:12],
        "$DECLARATION": row,
        "$TENSORS": tensors([row]),
    }
    case = _filled(json.loads(path.read_text()), known)
    request = case["request"]
    with server.client() as client:
        answer = client.request(request["method"], request["path"], json=request.get("body"))
    assert answer.status_code == case["status"], answer.text
    assert answer.headers["content-type"] == "application/json"
    jsonschema.validate(answer.json(), case["schema"], cls=jsonschema.Draft202012Validator)


def test_every_operation_of_both_protocols_has_a_case() -> None:
    operations = {json.loads(path.read_text())["source"] for path in CASES}
    for name in ("Server Live", "Server Ready", "Model Ready", "Server Metadata", "Model Metadata", "Inference"):
        assert any(name in one for one in operations), name
    assert len(CASES) >= 20
