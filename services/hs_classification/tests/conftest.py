"""A small nomenclature and goods of the tests' own, the real encoder, and a classifier learnt from them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVICES = Path(__file__).resolve().parents[2]
for folder in ("model_server", "model_training", "text_encoder", "hs_classification"):  # started from anywhere
    if str(SERVICES / folder) not in sys.path:
        sys.path.insert(0, str(SERVICES / folder))

from hs_classification import train
from hs_classification.served import HsModel
from model_server.sealed import read_sealed
from model_server.storage import Folder
from text_encoder import Encoder, open_encoder

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with both files, as the packages have them."""
    folder = tmp_path_factory.mktemp("texts")
    given = json.loads((HERE / "nomenclature.json").read_text())
    codes = [{"hscode": code, "description": text} for code, text in given["texts"].items()]
    (folder / "hscodes.json").write_text(json.dumps({"hscodes": codes}))
    (folder / "ecoinvent_to_HS.json").write_text(json.dumps(given["goods"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HS_TEXTS_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def model(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a classifier learnt from them."""
    folder = tmp_path_factory.mktemp("model")
    assert train.main(["--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real encoder."""
    return open_encoder()


@pytest.fixture(scope="session")
def hs_model(model: Path, encoder: Encoder) -> HsModel:
    """The model called directly."""
    return HsModel(read_sealed(Folder(model)), encoder)
