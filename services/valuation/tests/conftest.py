"""Declarations whose usual prices are known, and a comparison learnt from them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

SERVICES = Path(__file__).resolve().parents[2]
for folder in ("model_server", "model_training", "valuation"):  # the suite may be started from anywhere
    if str(SERVICES / folder) not in sys.path:
        sys.path.insert(0, str(SERVICES / folder))

from model_server.sealed import read_sealed
from model_server.storage import Folder
from valuation import train
from valuation.served import Valuation

HEADER = "HS6 Code,Country of Origin,Net Mass,Item Price,Fraud"
USUAL = {("090111", "BR"): 4.0, ("090111", "ET"): 6.0, ("851712", "CN"): 300.0, ("851712", "KR"): 420.0}


def lines(count: int, seed: int) -> list[str]:
    """Declarations at the usual value a kilogram, each a little off it."""
    generator = np.random.default_rng(seed)
    goods = list(USUAL)
    made = []
    for i in range(count):
        hs6, origin = goods[i % len(goods)]
        mass = float(np.exp(generator.normal(4, 1)))
        price = mass * USUAL[hs6, origin] * float(np.exp(generator.normal(0, 0.2)))
        made.append(f"{hs6},{origin},{mass:.3f},{price:.3f},{int(generator.random() < 0.2)}")
    return made


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv and valid.csv."""
    folder = tmp_path_factory.mktemp("declarations")
    for name, count, seed in (("train.csv", 1200, 1), ("valid.csv", 400, 2)):
        (folder / name).write_text("\n".join([HEADER, *lines(count, seed)]) + "\n")
    return folder


@pytest.fixture(scope="session")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison learnt from them."""
    folder = tmp_path_factory.mktemp("model")
    assert train.main(["--data", str(data), "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def valuation(model: Path) -> Valuation:
    """The model called directly."""
    return Valuation(read_sealed(Folder(model)))
