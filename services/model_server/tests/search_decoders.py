"""A search of the decoders that is led by their branches: `python search_decoders.py -max_total_time=60 CORPUS`.

The options are libFuzzer's. It goes through JSON with binary tensors behind it and through the messages of gRPC, and
begins with good requests. It ends with exit code 77, and the input in a file `crash-...`, where a decoder raises
anything but the error that becomes a 4xx.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

with atheris.instrument_imports(include=["model_server"]):
    from decoders import beginnings, one_input

if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[-1].startswith("-"):
        corpus = Path(sys.argv[-1])
        corpus.mkdir(parents=True, exist_ok=True)
        for place, content in enumerate(beginnings()):
            (corpus / f"beginning-{place}").write_bytes(content)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
