"""What became of what a model told: results of inspections joined to officers' decisions, and two versions compared.

`python -m model_server.outcomes LOG...` reads logs of decisions (each is checked first), joins every result to the
decision on the same declaration, and tells by version: how often officers decided otherwise, and how often an
inspection found what it was for. With two versions a sequential test says whether their shares differ; it may be looked
at after every result without harm. `--feedback FILE` writes what was joined for the next training.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.segments import read

LEVEL = 0.05
MIXTURE_VARIANCE = 0.01  # of the difference of two shares that is looked for: about a tenth
LEAST_RESULTS = 30  # of each version, before the normal approximation is used
FIELDS = ("declaration_id", "model_digest", "score", "told", "decision", "override", "found", "days")


@dataclass(frozen=True)
class Joined:
    """A decision, and the result of its inspection where one is known."""

    declaration_id: str  # masked, as the log has it
    model_digest: str
    score: float | None
    told: str
    decision: str
    override: bool
    found: bool | None
    days: float | None


def joined(entries: Iterable[Mapping[str, Any]]) -> list[Joined]:
    """Return the decisions with their results, which may come in any order; the last of several counts."""
    decisions: dict[str, Mapping[str, Any]] = {}
    results: dict[str, Mapping[str, Any]] = {}
    for entry in sorted(entries, key=lambda one: str(one["time"])):
        kind = {"decision": decisions, "result": results}.get(str(entry["kind"]))
        if kind is not None:
            kind[str(entry["declaration_id"])] = entry
    found = []
    for name, decision in decisions.items():
        result = results.get(name)
        found.append(
            Joined(
                declaration_id=name,
                model_digest=str(decision["model_digest"]),
                score=decision.get("score"),
                told=str(decision["told"]),
                decision=str(decision["decision"]),
                override=bool(decision["override"]),
                found=None if result is None else bool(result["found"]),
                days=None if result is None else _days(str(decision["time"]), str(result["time"])),
            )
        )
    return found


def _days(before: str, after: str) -> float:
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds() / 86_400


def by_version(pairs: Sequence[Joined]) -> dict[str, dict[str, Any]]:
    """Return what is known of each version."""
    report: dict[str, dict[str, Any]] = {}
    for digest in sorted({one.model_digest for one in pairs}):
        own = [one for one in pairs if one.model_digest == digest]
        known = [one for one in own if one.found is not None]
        delays = sorted(one.days for one in known if one.days is not None)
        overridden = [one for one in known if one.override]
        report[digest] = {
            "decisions": len(own),
            "overrides": sum(one.override for one in own),
            "results": len(known),
            "found": sum(one.found is True for one in known),
            "overrides_with_result": len(overridden),
            "overrides_found": sum(one.found is True for one in overridden),
            "median_days_to_result": round(delays[len(delays) // 2], 3) if delays else None,
        }
    return report


def sequential(found_a: int, results_a: int, found_b: int, results_b: int) -> float | None:
    """Return an always-valid p-value for two shares being the same, or None where too few results are known.

    The mixture sequential probability ratio test (Johari, Pekelis, Walsh, "Always valid inference", 2015) with a normal
    mixture over the difference: the probability that it ever falls below 0.05 where the shares are the same is 0.05.

    >>> sequential(50, 100, 52, 100)
    1.0
    >>> sequential(400, 500, 200, 500) < 1e-6
    True
    """
    if min(results_a, results_b) < LEAST_RESULTS:
        return None
    pooled = (found_a + found_b) / (results_a + results_b)
    variance = max(pooled * (1 - pooled), 1e-6) * (1 / results_a + 1 / results_b)
    difference = found_a / results_a - found_b / results_b
    total = variance + MIXTURE_VARIANCE
    exponent = difference**2 * MIXTURE_VARIANCE / (2 * variance * total)
    ratio = math.sqrt(variance / total) * math.exp(min(exponent, 700.0))
    return min(1.0, 1 / ratio)


def compared(report: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the test of two versions' shares of found; None where there are not two."""
    if len(report) != 2:
        return None
    (a, one), (b, other) = report.items()
    p = sequential(one["found"], one["results"], other["found"], other["results"])
    if p is None:
        return {"verdict": "not measured", "why": f"fewer than {LEAST_RESULTS} results of a version"}
    better = a if one["found"] / one["results"] > other["found"] / other["results"] else b
    return {"p_value": p, "verdict": f"{better[:12]} finds more" if p < LEVEL else "no difference shown yet"}


def read_logs(addresses: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the entries of checked logs. Raises ServiceError where one was changed."""
    return [entry for log in read(addresses) for entry in log.entries]


def write_feedback(path: Path, pairs: Sequence[Joined]) -> None:
    """Write what was joined as CSV. Raises ServiceError."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(FIELDS)
            writer.writerows([getattr(one, name) for name in FIELDS] for one in pairs if one.found is not None)
    except OSError as error:
        raise ServiceError(str(path), error.strerror or str(error), "name a file that can be written") from None


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; 2 where a log was changed or cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m model_server.outcomes", description=__doc__)
    parser.add_argument("logs", nargs="+", help="files, folders or s3://BUCKET/PREFIX/, all with the same key")
    parser.add_argument("--feedback", type=Path, help="write decisions with results to this CSV file")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="how it is printed")
    options = parser.parse_args(arguments)
    try:
        pairs = joined(read_logs(options.logs))
        if options.feedback is not None:
            write_feedback(options.feedback, pairs)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    report = by_version(pairs)
    test = compared(report)
    if options.output == "json":
        print(json.dumps({"versions": report, "test": test}, indent=2))
        return 0
    for digest, one in report.items():
        print(f"{digest[:12]}  " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in one.items()))
    if test is not None:
        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in test.items()))
    return 0


if __name__ == "__main__":
    sys.exit(run())
