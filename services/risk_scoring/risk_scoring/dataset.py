"""A set of declarations read from CSV with the published columns."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_server.errors import ServiceError
from model_server.storage import Store
from risk_scoring.features import Labels
from risk_scoring.schema import COLUMNS, CRITICAL_FRAUD_COLUMN, FRAUD_COLUMN, Row, from_csv


@dataclass(frozen=True)
class Dataset:
    """Declarations in the order of their file, their labels (1 = fraud), and the digest of the file."""

    name: str
    sha256: str
    rows: Sequence[Row]
    labels: Labels

    def summary(self) -> dict[str, Any]:
        """Return what the model card says about these data."""
        dates = [row["date"] for row in self.rows]
        return {
            "file": self.name,
            "sha256": self.sha256,
            "rows": len(self.rows),
            "first_day": min(dates),
            "last_day": max(dates),
            "fraud_share": round(float(self.labels.mean()), 6),
        }


def read_dataset(store: Store, name: str) -> Dataset:
    """Read the CSV called `name`.

    Raises ServiceError that names the file, the line and the column where it is not as published.
    """
    return parse_dataset(store.read(name), name)


def parse_dataset(content: bytes, name: str) -> Dataset:
    """Parse a CSV with the 22 published columns, in any order. Raises as `read_dataset` does."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            remedy = f"give the {len(COLUMNS)} columns of the published set"
            raise ServiceError(f"{name}:1", f"no column {missing[0]!r}", remedy)
        rows: list[Row] = []
        labels: list[int] = []
        for record in reader:
            where = f"{name}:{reader.line_num}"
            if None in record or None in record.values():
                raise ServiceError(where, "too many or too few columns", "quote values that hold a comma")
            if record[FRAUD_COLUMN] not in ("0", "1") or record[CRITICAL_FRAUD_COLUMN] not in ("0", "1", "2"):
                raise ServiceError(where, "no label", "Fraud is 0 or 1, Critical Fraud is 0, 1 or 2")
            try:
                rows.append(from_csv(record))
            except ValueError as error:
                raise ServiceError(where, str(error), "give a finite number") from None
            labels.append(int(record[FRAUD_COLUMN]))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ServiceError(name, f"no readable CSV ({error})", "save it as CSV in UTF-8") from None
    if not 0 < sum(labels) < len(labels):
        raise ServiceError(name, "it holds no fraud or nothing but fraud", "give declarations of both kinds")
    return Dataset(name, hashlib.sha256(content).hexdigest(), rows, np.array(labels, dtype=np.int8))
