"""Serve a risk model: `python -m risk_scoring.serve --model-dir /mnt/models --model-name risk-scoring --port 8080`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# One thread a worker: before LightGBM is imported, whose OpenMP pool would otherwise take every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from model_server import serve
from risk_scoring import lean  # noqa: F401  # before LightGBM is imported
from risk_scoring.served import load


def run(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM and return the exit status; 2 where the model is not whole or was changed."""
    return serve.run(load, "risk-scoring", arguments)


if __name__ == "__main__":
    sys.exit(run())
