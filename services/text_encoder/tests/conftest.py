"""The encoder with its real weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SERVICES = Path(__file__).resolve().parents[2]
for folder in ("model_server", "text_encoder"):  # the suite may be started from anywhere
    if str(SERVICES / folder) not in sys.path:
        sys.path.insert(0, str(SERVICES / folder))

from text_encoder import Encoder, open_encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The encoder that all tests share."""
    return open_encoder()
