"""A generated set of declarations, a model trained on it, and a server of it on the loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent, HERE.parents[1] / "model_server"):  # the suite may be started from anywhere
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from model_server.sealed import read_sealed
from model_server.storage import Folder
from reviewer import CALLER, certificate, reviewing
from risk_scoring import generate, train
from risk_scoring.dataset import Dataset, read_dataset
from risk_scoring.predictor import Predictor
from risk_service import Running, serving


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv and valid.csv of 6,000 invented declarations."""
    folder = tmp_path_factory.mktemp("declarations")
    assert generate.run(["--out", str(folder), "--rows", "6000", "--seed", "7"]) == 0
    return folder


@pytest.fixture(scope="session")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model trained on them."""
    folder = tmp_path_factory.mktemp("model")
    options = ["--data", data.as_uri(), "--output", folder.as_uri(), "--local", "--seeds", "1", "2"]
    assert train.run(options) == 0
    return folder


@pytest.fixture(scope="session")
def declarations(data: Path) -> Dataset:
    """The later declarations, which the model has not learnt from."""
    return read_dataset(Folder(data), "valid.csv")


@pytest.fixture(scope="session")
def predictor(model: Path) -> Predictor:
    """The model called directly."""
    return Predictor.of(read_sealed(Folder(model)))


@pytest.fixture(scope="session")
def server(model: Path) -> Iterator[Running]:
    """A server of the model that all tests share, which everybody may ask in the clear."""
    with serving(model, MODEL_SERVER_DRAIN_SECONDS="0", MODEL_SERVER_ROWS_LIMIT="1000") as running:
        yield running


@pytest.fixture(scope="session")
def guarded(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server as a site has it: over TLS, for callers with a token, with a log."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "log").mkdir()
    (folder / "key").write_bytes(b"a key of these tests alone")
    settings = {
        "MODEL_SERVER_TLS_DIR": str(certificate(folder / "tls")),
        "MODEL_SERVER_AUDIT_DIR": str(folder / "log"),
        "MODEL_SERVER_AUDIT_KEY_FILE": str(folder / "key"),
        "MODEL_SERVER_DRAIN_SECONDS": "0",
        "MODEL_SERVER_ROWS_LIMIT": "1000",
    }
    with reviewing(folder) as reviews, serving(model, CALLER, **settings, **reviews) as running:
        yield running


@pytest.fixture(scope="session", params=["server", "guarded"], ids=["in-the-clear", "over-tls-with-a-token"])
def either(request: pytest.FixtureRequest) -> Running:
    """Both servers, one after the other."""
    running: Running = request.getfixturevalue(request.param)
    return running
