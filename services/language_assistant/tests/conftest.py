"""The index of the sample texts, and an assistant that answers from it, as fixtures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SERVICES = HERE.parents[1]
FOLDERS = [HERE, *(SERVICES / one for one in ("language_assistant", "model_server", "model_training", "text_encoder"))]
for folder in FOLDERS:  # the suite may be started from anywhere
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from assistant_process import Running, running
from language_assistant import train
from language_assistant.index import Index, from_sealed
from model_server.sealed import read_sealed
from model_server.storage import Folder
from text_encoder import Encoder, open_encoder

SAMPLES = HERE.parent / "samples"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sample texts' index."""
    folder = tmp_path_factory.mktemp("model")
    arguments = ["--texts", str(SAMPLES / "texts"), "--questions", str(SAMPLES / "questions.json")]
    assert train.main([*arguments, "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def index(model: Path) -> Index:
    """The same index, called directly."""
    return from_sealed(read_sealed(Folder(model)))


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The real encoder."""
    return open_encoder()


@pytest.fixture(scope="session")
def assistant(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An assistant without a language model, which everybody may ask."""
    with running(model, tmp_path_factory.mktemp("assistant")) as made:
        yield made
