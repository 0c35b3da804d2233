"""The one command of a training: read, train, evaluate, seal, and tell the digests.

Equal code and data give equal digests: `model_digest` of the files that decide an answer, `evaluation_digest` of the
card's figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.sealed import digest, to_json, write_sealed
from model_server.storage import open_store
from model_training import cards

Options = argparse.Namespace


@dataclass(frozen=True)
class Trained:
    """What a training gives: the files that decide an answer, and the card's own part."""

    files: Mapping[str, bytes]
    card: Mapping[str, Any]


def say(text: str) -> None:
    """Tell people how far the training is (standard error; standard output holds the result alone)."""
    print(text, file=sys.stderr, flush=True)


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return the command line that every training has: where the model goes, and the seed."""
    made = argparse.ArgumentParser(prog=f"python -m {name.replace('-', '_')}.train", description=description)
    made.add_argument("--output", required=True, help="folder, file:// or s3:// address that gets the model")
    made.add_argument("--seed", type=int, default=1, help="equal seeds give equal models (default: %(default)s)")
    return made


def run(
    name: str,
    package: Path,
    train: Callable[[Options], Trained],
    made: argparse.ArgumentParser,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run a training and return the exit status; the result is one JSON document on standard output."""
    options = made.parse_args(arguments)
    start = time.perf_counter()
    try:
        output = open_store(options.output)
        trained = train(options)
        cards.check(trained.card)
        judged = {"figures": trained.card["figures"], "calibration": trained.card.get("calibration")}
        evaluation = digest(to_json(judged))
        seconds = round(time.perf_counter() - start, 1)
        card = {
            "name": name,
            **trained.card,
            "evaluation_digest": evaluation,
            "training": {"seed": options.seed, "seconds": seconds},
            "code": {
                "sha256": code_digest(package),
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
        }
        sealed = write_sealed(output, trained.files, card, cards.pages)
    except ServiceError as error:
        say(str(error))
        return EXIT_COULD_NOT_RUN
    say(f"wrote {options.output} in {seconds} s")
    summary = {
        "model_digest": sealed,
        "evaluation_digest": evaluation,
        "output": options.output,
        "seconds": seconds,
        "figures": {one["name"]: [one["value"], one["interval_95"]] for one in trained.card["figures"]},
    }
    print(json.dumps(summary, indent=2))
    return 0


def code_digest(package: Path) -> str:
    """Return the sha256 over the names and contents of a package's modules."""
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
