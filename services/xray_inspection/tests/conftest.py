"""A detector that has learnt for a few seconds, and drawn images."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SERVICES = Path(__file__).resolve().parents[2]
for folder in ("model_server", "model_training", "xray_inspection"):  # the suite may be started from anywhere
    if str(SERVICES / folder) not in sys.path:
        sys.path.insert(0, str(SERVICES / folder))

from model_server.sealed import read_sealed
from model_server.storage import Folder
from xray_inspection import train
from xray_inspection.served import XrayModel
from xray_inspection.synthetic import Drawn, draw

STEPS = "220"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a detector."""
    folder = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "JUDGED_IMAGES", 16)
        assert train.main(["--output", str(folder), "--steps", STEPS]) == 0
    return folder


@pytest.fixture(scope="session")
def xray(model: Path) -> XrayModel:
    """The model called directly."""
    return XrayModel(read_sealed(Folder(model)))


@pytest.fixture(scope="session")
def scan() -> Drawn:
    """An image that takes several tiles, with eight objects."""
    return draw(1100, 620, 8, 42)


@pytest.fixture(scope="session")
def png(scan: Drawn) -> bytes:
    """The same as a file of 16 bits."""
    file = io.BytesIO()
    Image.fromarray((scan.pixels * 65535).astype(np.uint16)).save(file, "PNG")
    return file.getvalue()
