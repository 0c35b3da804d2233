"""Ask the running risk-scoring service for score, lane and reasons, by KServe's V1 protocol."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from portolan.errors import PortolanError
from portolan.model import Model
from portolan.output import Format, emit, table
from portolan.platform.access import Access

TIMEOUT_SECONDS = 10.0
ATTEMPTS = 5
NUMBERS = frozenset({"tax_rate", "net_mass", "item_price"})
LABELS = frozenset({"fraud", "critical_fraud"})  # columns of published data that a declarant does not write


class Reason(Model):
    """What moved a score: a field, its value, and its share."""

    feature: str
    value: Any
    contribution: float


class Score(Model):
    """The service's answer for one declaration; `score` is between 0 and 1."""

    declaration: str
    score: float
    lane: str
    reasons: tuple[Reason, ...]
    model_digest: str


def field_name(column: str) -> str:
    """Return the service's name of a column of the published declarations.

    >>> field_name("Country of Origin Indicator")
    'country_of_origin_indicator'
    """
    return column.strip().lower().replace(" ", "_")


def read_declarations(path: Path, limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` declarations of a CSV file with the columns of the published set.

    Raises PortolanError where the file is missing, empty, or a number is none.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row, _ in zip(csv.DictReader(file), range(limit), strict=False)]
    except (OSError, UnicodeDecodeError) as error:
        raise PortolanError(
            str(path), f"cannot be read: {error}", "give a CSV file of declarations in UTF-8"
        ) from error
    if not rows:
        raise PortolanError(str(path), "it holds no declaration", "give a header line and at least one row")
    found = []
    for number, row in enumerate(rows, start=2):
        declaration: dict[str, Any] = {}
        for column, value in row.items():
            name = field_name(column or "")
            if name in LABELS:
                continue
            if name in NUMBERS:
                try:
                    declaration[name] = float(value)
                except (TypeError, ValueError):
                    raise PortolanError(
                        f"{path}:{number}", f"{column} is {value!r}, not a number", "write it with digits and a point"
                    ) from None
            else:
                declaration[name] = value or ""
        found.append(declaration)
    return found


def score_declarations(
    url: str, declarations: Sequence[dict[str, Any]], access: Access | None = None
) -> tuple[Score, ...]:
    """Return the service's answers for the declarations, in their order.

    Raises PortolanError where the service cannot be reached or refuses.
    """
    address = f"{url}/v1/models/risk-scoring:predict"
    try:
        for attempt in Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_fixed(1),
            retry=retry_if_exception_type(httpx.TransportError),
            reraise=True,
        ):
            with attempt:
                answer = httpx.post(
                    address,
                    json={"instances": list(declarations)},
                    headers=access.headers if access else None,
                    verify=access.trust() if access else True,
                    timeout=TIMEOUT_SECONDS,
                    trust_env=False,
                )
    except httpx.TransportError as error:
        raise PortolanError(
            address, f"the service does not answer: {error}", "run `portolan status SITE`; `portolan up SITE` mends it"
        ) from error
    if answer.status_code != httpx.codes.OK:
        raise PortolanError(address, f"status {answer.status_code}: {answer.text[:500]}", "mend the named field")
    document = answer.json()
    return tuple(
        Score(
            declaration=str(declaration.get("declaration_id", number)),
            score=prediction["score"],
            lane=prediction["lane"],
            reasons=tuple(Reason.model_validate(reason) for reason in prediction["reasons"]),
            model_digest=document["model_digest"],
        )
        for number, (declaration, prediction) in enumerate(
            zip(declarations, document["predictions"], strict=True), start=1
        )
    )


def print_scores(scores: Sequence[Score], output: Format) -> None:
    """Print the scores for people, or as the one document."""
    if output is not Format.TABLE:
        emit({"scores": [score.model_dump(mode="json") for score in scores]}, output)
        return
    rows = [
        (
            score.declaration,
            f"{score.score:.3f}",
            score.lane,
            "; ".join(f"{reason.feature} {reason.value} ({reason.contribution:+.2f})" for reason in score.reasons),
        )
        for score in scores
    ]
    table("risk scores", ("declaration", "score", "lane", "main reasons"), rows)
