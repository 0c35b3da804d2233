"""Serve the classifier: `python -m hs_classification.serve --model-dir /mnt/models --port 8080`.

Set OPENBLAS_NUM_THREADS=1, as the image does: NumPy would otherwise take every core for each sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hs_classification.served import load
from hs_classification.train import NAME
from model_server import serve


def run(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM and return the exit status; 2 where the model is not whole or was changed."""
    return serve.run(load, NAME, arguments)


if __name__ == "__main__":
    sys.exit(run())
