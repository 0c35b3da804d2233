"""Put a detector of your own in the place of the small one:

`python -m xray_inspection.seal --onnx detector.onnx --kind boxes --classes weapon currency --threshold 0.4
--card card.json --output s3://models/xray-inspection/2/`

The card is a JSON file with title, use and limits in English and French, data and figures: see docs/how-to/xray.md.
Nothing is sealed that cannot be loaded, or whose card says nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.sealed import write_sealed
from model_server.storage import open_store
from model_training import cards
from xray_inspection.detector import Detector, Settings
from xray_inspection.train import MODEL_FILE, NAME, SETTINGS_FILE

KEYS = ("version", "title", "use", "limits", "data", "figures")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 2 where the detector or its card cannot be used."""
    made = argparse.ArgumentParser(prog="python -m xray_inspection.seal", description="Seal a detector of your own.")
    made.add_argument("--onnx", type=Path, required=True, help="the detector's file")
    made.add_argument(
        "--kind", choices=("boxes", "centres"), default="boxes", help="its outputs (default: %(default)s)"
    )
    made.add_argument("--classes", nargs="+", required=True, help="names of its labels, from 0")
    made.add_argument("--threshold", type=float, required=True, help="least score that is told")
    made.add_argument("--tile", type=int, default=1024, help="side of a tile in pixels (default: %(default)s)")
    made.add_argument("--overlap", type=int, default=256, help="overlap of tiles, twice the largest object at least")
    made.add_argument("--card", type=Path, required=True, help="JSON file with the card's texts and figures")
    made.add_argument("--output", required=True, help="folder, file:// or s3:// address that gets the model")
    options = made.parse_args(arguments)
    try:
        settings = Settings(options.kind, tuple(options.classes), options.threshold, options.tile, options.overlap)
        settings.check()
        try:
            content = options.onnx.read_bytes()
            card = json.loads(options.card.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ServiceError("--onnx or --card", f"cannot be read ({error})", "check the paths") from None
        missing = [key for key in KEYS if key not in card]
        if missing:
            raise ServiceError(str(options.card), f"no {missing[0]!r}", f"give {', '.join(KEYS)}")
        cards.check(card)
        Detector(content, settings)
        files = {MODEL_FILE: content, SETTINGS_FILE: settings.to_json()}
        sealed = write_sealed(open_store(options.output), files, {"name": NAME, **card}, cards.pages)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    print(sealed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
