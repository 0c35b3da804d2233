"""Make a set of declarations with planted fraud: `python -m risk_scoring.generate --out DIR --rows N --seed S`.

For places that have no published set. The 22 columns are the same; the values are invented. Fraud is
planted where customs officers say it is: goods declared far below their usual price per kilogram,
importers with a history, and goods on routes that evade a duty; plus chance, because no label is clean.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from model_server.errors import EXIT_COULD_NOT_RUN, ServiceError
from model_server.storage import open_store
from risk_scoring.schema import COLUMNS

TRAIN_FIRST_DAY, TRAIN_DAYS = date(2020, 1, 1), 366
VALID_FIRST_DAY, VALID_DAYS = date(2021, 1, 1), 90
VALID_SHARE = 8134 / (37385 + 8134)  # as in the published set
LEAST_ROWS = 200

FRAUD_BY_CHANCE = 0.05
FRAUD_WHEN_UNDERVALUED = 0.85
FRAUD_ON_EVASIVE_ROUTE = 0.60
FRAUD_OF_RISKY_IMPORTER = 0.45
UNDERVALUED_SHARE = 0.07
EVASIVE_SHARE = 0.05
RISKY_IMPORTER_SHARE = 0.06

COUNTRIES = ("CN", "JP", "US", "DE", "VN", "HK", "IT", "KR", "FR", "TH", "IN", "TW", "GB", "NL", "ES", "PL", "TR", "MX")
ALPHABET = np.array(list("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"))
Texts = NDArray[np.str_]


def _identities(generator: np.random.Generator, count: int, length: int) -> Texts:
    letters = generator.choice(ALPHABET, size=(count, length))
    return np.unique(np.array(["".join(line) for line in letters]))


def _popular(generator: np.random.Generator, values: Texts, size: int, exponent: float = 1.0) -> Texts:
    """Return `size` of `values`, few of them often and many of them seldom (Zipf)."""
    weights = 1.0 / np.arange(1, len(values) + 1) ** exponent
    return generator.choice(values, size=size, p=weights / weights.sum())


def generate(rows: int, seed: int) -> dict[str, bytes]:
    """Return train.csv and valid.csv as bytes; equal arguments give equal bytes.

    Raises ServiceError for fewer than 200 rows: less holds too little fraud to learn from.
    """
    if rows < LEAST_ROWS:
        raise ServiceError("--rows", f"{rows} are too few", f"ask for at least {LEAST_ROWS}")
    generator = np.random.default_rng(seed)
    goods = np.unique(generator.integers(10100, 970600, size=max(40, rows // 40)))
    codes = np.array([f"{number:06d}" for number in goods])
    generator.shuffle(codes)
    index_of = {code: i for i, code in enumerate(codes)}
    usual_price = np.exp(generator.normal(9.0, 1.5, size=len(codes)))
    usual_tariff = generator.choice([0.0, 3.2, 5.2, 6.5, 8.0, 13.0, 27.0], size=len(codes))
    evasive_origin = generator.choice(np.array(COUNTRIES), size=len(codes))

    hs6 = _popular(generator, codes, rows, 0.8)
    good = np.array([index_of[code] for code in hs6])
    origin = _popular(generator, np.array(COUNTRIES), rows)
    evasive = generator.random(rows) < EVASIVE_SHARE
    origin = np.where(evasive, evasive_origin[good], origin)
    evasive = (origin == evasive_origin[good]) & (usual_tariff[good] > 0)
    departure = np.where(generator.random(rows) < 0.8, origin, _popular(generator, np.array(COUNTRIES), rows))
    importers = _identities(generator, max(50, rows // 3), 7)
    risky = set(importers[generator.random(len(importers)) < RISKY_IMPORTER_SHARE])
    importer = _popular(generator, generator.permutation(importers), rows, 0.7)
    mass = np.round(np.exp(generator.normal(4.5, 2.5, size=rows)), 1)
    undervalued = generator.random(rows) < UNDERVALUED_SHARE
    factor = np.where(undervalued, generator.uniform(0.02, 0.15, rows), np.exp(generator.normal(0, 0.4, rows)))
    price = np.round(np.maximum(mass, 0.1) * usual_price[good] * factor, 2)

    honest = np.full(rows, 1 - FRAUD_BY_CHANCE)
    honest *= np.where(undervalued, 1 - FRAUD_WHEN_UNDERVALUED, 1)
    honest *= np.where(evasive, 1 - FRAUD_ON_EVASIVE_ROUTE, 1)
    honest *= np.where(np.isin(importer, list(risky)), 1 - FRAUD_OF_RISKY_IMPORTER, 1)
    fraud = generator.random(rows) >= honest
    critical = np.where(fraud, np.where(generator.random(rows) < 0.05, 2, 1), 0)
    tariff = np.where(evasive & (generator.random(rows) < 0.7), 0.0, usual_tariff[good])
    without = generator.random

    valid_rows = max(1, round(rows * VALID_SHARE))
    train_rows = rows - valid_rows
    days = [TRAIN_FIRST_DAY + timedelta(int(d)) for d in np.sort(generator.integers(0, TRAIN_DAYS, train_rows))]
    days += [VALID_FIRST_DAY + timedelta(int(d)) for d in np.sort(generator.integers(0, VALID_DAYS, valid_rows))]
    columns: dict[str, Sequence[object]] = {
        "Declaration ID": (10_000_000 + generator.choice(80_000_000, rows, replace=False)).tolist(),
        "Date": [day.isoformat() for day in days],
        "Office ID": _popular(generator, np.array(["40", "20", "30", "16", "13", "10", "33"]), rows).tolist(),
        "Process Type": ["B"] * rows,
        "Import Type": _popular(generator, np.array(["11", "87", "94", "15", "89"]), rows, 2.5).tolist(),
        "Import Use": _popular(generator, np.array(["21", "11", "26", "23"]), rows, 2.5).tolist(),
        "Payment Type": _popular(generator, np.array(["11", "43", "18", "14"]), rows, 1.5).tolist(),
        "Mode of Transport": _popular(generator, np.array(["10", "40", "50"]), rows).tolist(),
        "Declarant ID": _popular(generator, _identities(generator, max(20, rows // 30), 7), rows).tolist(),
        "Importer ID": importer.tolist(),
        "Seller ID": np.where(
            without(rows) < 0.1, "", _popular(generator, _identities(generator, max(50, rows // 4), 7), rows, 0.7)
        ).tolist(),
        "Courier ID": np.where(
            without(rows) < 0.8, "", _popular(generator, _identities(generator, 60, 6), rows)
        ).tolist(),
        "HS6 Code": hs6.tolist(),
        "Country of Departure": departure.tolist(),
        "Country of Origin": origin.tolist(),
        "Tax Rate": tariff.tolist(),
        "Tax Type": np.where(tariff == 0.0, "FTA1", np.where(without(rows) < 0.7, "A", "C")).tolist(),
        "Country of Origin Indicator": _popular(generator, np.array(["E", "G", "Y", "B", "S"]), rows, 0.4).tolist(),
        "Net Mass": mass.tolist(),
        "Item Price": price.tolist(),
        "Fraud": fraud.astype(int).tolist(),
        "Critical Fraud": critical.tolist(),
    }
    return {
        "train.csv": _to_csv(columns, 0, train_rows),
        "valid.csv": _to_csv(columns, train_rows, rows),
    }


def _to_csv(columns: dict[str, Sequence[object]], first: int, last: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(zip(*(columns[name][first:last] for name in COLUMNS), strict=True))
    return text.getvalue().encode()


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m risk_scoring.generate", description="Invent declarations.")
    parser.add_argument(
        "--out", "--output", required=True, help="folder (or s3:// address) that gets train.csv and valid.csv"
    )
    parser.add_argument("--rows", type=int, default=45_519, help="rows of both files together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds give equal files (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        store = open_store(options.out)
        for name, content in generate(options.rows, options.seed).items():
            store.write(name, content)
            print(f"wrote {options.out.rstrip('/')}/{name} ({len(content)} bytes)", file=sys.stderr)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(run())
