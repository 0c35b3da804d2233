"""Make declarations that may leave the site: nobody can be told from them, and what training needs stays.

Run on site, in the training image: `python anonymise.py s3://declarations/ s3://anonymised/`.
Names of parties become pseudonyms by a key that is thrown away with the process, so that nobody can make them again;
a party with few declarations becomes one of "the rare"; numbers lose digits, days become months, and the order of the
file says nothing. Whether that is enough for the law is for the administration's data protection officer to say.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import random
import secrets
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

PARTIES = ("Declarant ID", "Importer ID", "Seller ID", "Courier ID")
SMALLEST_GROUP = 5  # a party with fewer declarations cannot be told from others of the kind
RARE = "RARE"
SIGNIFICANT_DIGITS = 2
NUMBERS = ("Net Mass", "Item Price")
Row = Mapping[str, str]


def rounded(text: str, digits: int = SIGNIFICANT_DIGITS) -> str:
    """Return a number with so many significant digits.

    >>> rounded("372254.4"), rounded("0.0"), rounded("7.25")
    ('370000.0', '0.0', '7.2')
    """
    return str(float(f"{float(text):.{digits - 1}e}"))


def pseudonym(key: bytes, column: str, value: str) -> str:
    """Return a name of seven characters: the same for the same party, and for nobody else's key."""
    return hmac.new(key, f"{column}\0{value}".encode(), hashlib.sha256).hexdigest()[:7].upper()


def anonymise(
    rows: Sequence[Row], common: Mapping[str, frozenset[str]], key: bytes, first: int
) -> list[dict[str, str]]:
    """Return the rows without anybody in them; `common` are the parties with enough declarations to be kept apart."""
    made = []
    for number, row in enumerate(rows, start=first):
        new = dict(row)
        new["Declaration ID"] = str(number)
        new["Date"] = row["Date"][:8] + "01"
        for column in PARTIES:
            if row[column]:
                new[column] = pseudonym(key, column, row[column]) if row[column] in common[column] else RARE
        for column in NUMBERS:
            new[column] = rounded(row[column])
        made.append(new)
    return made


def common_parties(rows: Sequence[Row]) -> dict[str, frozenset[str]]:
    """Return the parties of each column with at least `SMALLEST_GROUP` declarations."""
    return {
        column: frozenset(
            name for name, count in Counter(row[column] for row in rows).items() if name and count >= SMALLEST_GROUP
        )
        for column in PARTIES
    }


def read(content: bytes) -> list[dict[str, str]]:
    """Read a CSV of declarations."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def written(rows: Sequence[Row]) -> bytes:
    """Write a CSV of declarations."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def main(source: str, target: str) -> None:
    """Read train.csv and valid.csv at `source`, and write both to `target` without anybody in them."""
    from model_server.storage import open_store

    here, there = open_store(source), open_store(target)
    files = {name: read(here.read(name)) for name in ("train.csv", "valid.csv")}
    common = common_parties([row for rows in files.values() for row in rows])
    key, shuffle, first = secrets.token_bytes(32), random.SystemRandom(), 10_000_000
    for name, rows in files.items():
        shuffle.shuffle(rows)
        there.write(name, written(anonymise(rows, common, key, first)))
        first += len(rows)
        kept = {column: len(names) for column, names in common.items()}
        print(f"{name}: {len(rows)} declarations; parties kept apart: {kept}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
