"""Serve the detector: `python -m xray_inspection.serve --model-dir /mnt/models --port 8080`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from model_server import serve
from xray_inspection.served import load
from xray_inspection.train import NAME


def run(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM and return the exit status; 2 where the model is not whole or was changed."""
    return serve.run(load, NAME, arguments)


if __name__ == "__main__":
    sys.exit(run())
