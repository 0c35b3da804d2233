"""Make the vectors of all subheadings once: `python -m hs_classification.embed --output vectors.npz`.

They follow from two pinned packages alone, so the image carries them and a training takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hs_classification.nomenclature import read_nomenclature
from hs_classification.train import text_digest
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from text_encoder import open_encoder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    made = argparse.ArgumentParser(prog="python -m hs_classification.embed", description="Encode the nomenclature.")
    made.add_argument("--output", type=Path, required=True, help="file that gets the vectors")
    options = made.parse_args(arguments)
    try:
        known = read_nomenclature()
        vectors = open_encoder().encode([known.texts[code] for code in known.codes])
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    np.savez(options.output, vectors=vectors.astype(np.float16), digest=np.array(text_digest(known)))
    print(f"wrote {len(vectors)} vectors to {options.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
