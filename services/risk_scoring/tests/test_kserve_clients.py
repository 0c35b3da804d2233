"""KServe's own Python clients get what the model gives when it is called directly, to the last bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from risk_scoring.dataset import Dataset
from risk_scoring.predictor import Predictor
from risk_service import MODEL, Running

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
WAYS = ("v1", "v2", "v2 binary", "grpc", "grpc raw")


@pytest.fixture(scope="session")
def kserve() -> Path:
    """The Python of an environment with KServe's SDK, made of its lock once."""
    if str(REPOSITORY) not in sys.path:
        sys.path.append(str(REPOSITORY))
    from benchmarks.serving.environments import interpreter

    return interpreter("kserve")


@pytest.mark.parametrize("count", [1, 40])
def test_kserves_clients_get_what_the_model_gives(
    either: Running, kserve: Path, predictor: Predictor, declarations: Dataset, count: int
) -> None:
    rows = [dict(row) for row in declarations.rows[:count]]
    asked = {
        "url": either.url,
        "grpc": either.grpc,
        "model": MODEL,
        "rows": rows,
        "authority": str(either.authority) if either.authority else None,
        "token": either.token,
    }
    done = subprocess.run(
        [str(kserve), str(HERE / "kserve_clients.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    direct = predictor.predict(rows)
    for way in WAYS:
        told = found[way]
        reasons = told["reasons"] if way == "v1" else [json.loads(text) for text in told["reasons"]]
        assert (told["score"], told["lane"], reasons) == (direct.scores, direct.lanes, direct.reasons), way
        assert way == "v1" or told["id"] == "7"
    assert all(found["health"])
    assert all(found["health over grpc"])
