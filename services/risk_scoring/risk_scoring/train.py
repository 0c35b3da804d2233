"""Train the risk model: `python -m risk_scoring.train --data s3://declarations/ --output s3://models/risk-scoring/1/`.

Reads train.csv and valid.csv, spreads the work over the nodes of a Ray cluster (or, with --local, runs it
in this process), and writes model.txt, features.json, card.json and, last, MANIFEST.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

import risk_scoring
from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.sealed import digest, to_json
from model_server.storage import open_store
from risk_scoring.dataset import Dataset, read_dataset
from risk_scoring.drift import compare, reference
from risk_scoring.executor import Executor, LocalExecutor, RayExecutor
from risk_scoring.features import FEATURE_NAMES, FEATURES, Encoder, fold_of
from risk_scoring.honesty import calibration_figures, fairness, importer_sizes, label_codes, stability
from risk_scoring.model_files import write_model
from risk_scoring.schema import Declaration
from risk_scoring.training import (
    CAUTION,
    FOLDS,
    PARAMETERS,
    VARIANTS,
    Enough,
    Matrices,
    TrainingData,
    Variant,
    assemble,
    calibrate,
    data_summary,
    first_wave,
    lane_thresholds,
    results,
    run_first,
    run_variant,
    unseen_goods,
)

# the published protocol takes every field but the identity of the declaration and its date
PUBLISHED_FIELDS = tuple(name for name in Declaration.model_fields if name not in ("declaration_id", "date"))


def say(text: str) -> None:
    """Tell people how far the training is (standard error; standard output holds the result alone)."""
    print(text, file=sys.stderr, flush=True)


def code_digest() -> str:
    """Return the sha256 over the names and contents of this package's modules."""
    total = hashlib.sha256()
    root = Path(risk_scoring.__file__).parent
    for path in sorted(root.rglob("*.py")):
        total.update(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def train(
    train_set: Dataset,
    valid_set: Dataset,
    executor: Executor,
    seeds: Sequence[int],
    red_share: float,
    yellow_share: float,
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the booster's text, the features' document and the card of the model trained from `seeds[0]`.

    The other seeds only tell how much the figures move with the seed.
    """
    start = time.perf_counter()
    seed = seeds[0]
    folds = fold_of(len(train_set.rows), FOLDS, seed)
    data = TrainingData(train_set.rows, train_set.labels, folds, seed)
    tasks = first_wave()
    say(f"1/2 encode {FOLDS} folds and choose the number of trees: {len(tasks)} tasks")
    first = executor.map(run_first, data, tasks)
    enough = [done.result for done in first if isinstance(done.result, Enough)]
    rounds = int(np.median([one.rounds for one in enough]))
    calibration = calibrate(enough)
    matrix = assemble(folds, [done.result for done in first if isinstance(done.result, np.ndarray)])

    encoder = Encoder.fit(train_set.rows, train_set.labels)
    variants = [Variant(name, s) for s in seeds for name in VARIANTS]
    say(f"2/2 train {rounds} trees for {len(variants)} variants")
    codes = label_codes(train_set.rows, valid_set.rows, PUBLISHED_FIELDS)
    valid_matrix = encoder.encode(valid_set.rows)
    matrices = Matrices(matrix, train_set.labels, valid_matrix, rounds, calibration, *codes)
    second = executor.map(run_variant, matrices, variants)
    trained = {variant: done.result for variant, done in zip(variants, second, strict=True)}
    served = trained[Variant("full", seed)]
    unseen = unseen_goods(train_set.rows, valid_set.rows)

    scores = served.valid_scores
    lanes = lane_thresholds(served.valid_scores, red_share, yellow_share)
    features = {
        "schema_version": 1,
        "features": list(FEATURE_NAMES),
        "lanes": lanes,
        "calibration": calibration.to_document(),
        "encoder": encoder.to_document(),
    }
    ran: list[tuple[str, str, float]] = [(repr(t), d.node, d.seconds) for t, d in zip(tasks, first, strict=True)]
    ran += [(repr(v), d.node, d.seconds) for v, d in zip(variants, second, strict=True)]
    evaluation = {
        "calibration": calibration_figures(scores, valid_set.labels),
        "stability_index": stability([m.valid_scores for v, m in trained.items() if v.name == "resampled"], red_share),
        "fairness": {
            "country of origin": fairness(
                scores, valid_set.labels, lanes["red"], [str(row["country_of_origin"]) for row in valid_set.rows]
            ),
            "importer's declarations in the training data": fairness(
                scores, valid_set.labels, lanes["red"], importer_sizes(valid_set.rows, encoder.counts["importer"])
            ),
        },
        "drift_train_to_valid": compare(reference(train_set.rows, None), valid_set.rows, None),
    }
    figures = results(trained, valid_set.labels, unseen)
    card = {
        "name": "risk-scoring",
        "version": risk_scoring.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "purpose": "Ranks import declarations for inspection; it decides nothing by itself, an officer does.",
        "caution": CAUTION,
        "data": data_summary(train_set, valid_set, unseen),
        "results_on_valid": figures,
        "evaluation": evaluation,
        "evaluation_digest": digest(to_json({"results_on_valid": figures, "evaluation": evaluation, "lanes": lanes})),
        "drift_reference": reference(valid_set.rows, scores),
        "lanes": {
            "thresholds": lanes,
            "shares": {"red": red_share, "yellow": yellow_share},
            "chosen_on": valid_set.name,
        },
        "features": [{"name": f.name, "label": f.label, "fields": list(f.fields)} for f in FEATURES],
        "training": {
            "algorithm": "LightGBM",
            "parameters": dict(PARAMETERS),
            "trees": rounds,
            "folds": FOLDS,
            "seeds": list(seeds),
            "served_seed": seed,
            "executor": executor.kind,
            "cluster": executor.nodes(),
            "nodes": sorted({node for _, node, _ in ran}),
            "tasks": [{"task": task, "node": node, "seconds": seconds} for task, node, seconds in ran],
            "seconds": round(time.perf_counter() - start, 1),
        },
        "code": {
            "sha256": code_digest(),
            "python": platform.python_version(),
            "lightgbm": lightgbm.__version__,
            "numpy": np.__version__,
        },
    }
    return served.booster, features, card


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 0.5:
        raise argparse.ArgumentTypeError("a share between 0 and 0.5, for example 0.05")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m risk_scoring.train", description="Train the risk model.")
    parser.add_argument("--data", required=True, help="folder, file:// or s3:// address of the two CSV files")
    parser.add_argument("--output", required=True, help="folder, file:// or s3:// address that gets the model")
    parser.add_argument("--train-name", default="train.csv", help="file to learn from (default: %(default)s)")
    parser.add_argument("--valid-name", default="valid.csv", help="later file to judge by (default: %(default)s)")
    parser.add_argument("--local", action="store_true", help="run in this process instead of on a Ray cluster")
    parser.add_argument("--address", default=os.environ.get("RAY_ADDRESS", "auto"), help="Ray cluster (default: auto)")
    parser.add_argument("--nodes", type=int, default=1, help="wait for this many nodes that can take tasks")
    parser.add_argument("--wait-seconds", type=float, default=180, help="how long to wait for them")
    parser.add_argument("--task-cpus", type=float, default=1, help="CPUs that a task asks of Ray")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="the first is served")
    parser.add_argument("--red-share", type=_share, default=0.05, help="share that can be inspected fully")
    parser.add_argument("--yellow-share", type=_share, default=0.05, help="further share whose documents are checked")
    return parser


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; the result is one JSON document on standard output."""
    options = _parser().parse_args(arguments)
    try:
        output = open_store(options.output)
        data = open_store(options.data)
        train_set = read_dataset(data, options.train_name)
        valid_set = read_dataset(data, options.valid_name)
        say(f"read {len(train_set.rows)} + {len(valid_set.rows)} declarations from {options.data}")
        executor: Executor = (
            LocalExecutor()
            if options.local
            else RayExecutor(options.address, options.nodes, options.task_cpus, options.wait_seconds)
        )
        booster, features, card = train(
            train_set, valid_set, executor, options.seeds, options.red_share, options.yellow_share
        )
        sealed = write_model(output, booster, features, card)
    except ServiceError as error:
        say(str(error))
        return EXIT_COULD_NOT_RUN
    say(f"wrote {options.output} in {card['training']['seconds']} s on {', '.join(card['training']['nodes'])}")
    summary = {
        "model_digest": sealed,
        "evaluation_digest": card["evaluation_digest"],
        "output": options.output,
        "nodes": card["training"]["nodes"],
        "seconds": card["training"]["seconds"],
        "trees": card["training"]["trees"],
        "lanes": card["lanes"]["thresholds"],
        "results_on_valid": {way: found["range"] for way, found in card["results_on_valid"].items()},
    }
    print(json.dumps(summary, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(run())
