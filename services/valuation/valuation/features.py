"""What is compared: the value of a kilogram, and the peers that a declaration has, from near to far."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_server.errors import ServiceError
from model_server.storage import Store

Numbers = NDArray[np.float64]
LEVELS = ("goods and origin", "goods", "heading", "chapter", "all")
COLUMNS = ("HS6 Code", "Country of Origin", "Net Mass", "Item Price", "Fraud")


@dataclass(frozen=True)
class Declared:
    """What the comparison needs of declarations, in the order of their file; `fraud` is their label."""

    name: str
    hs6: tuple[str, ...]
    origin: tuple[str, ...]
    net_mass: Numbers
    item_price: Numbers
    fraud: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.hs6)

    def take(self, rows: NDArray[np.int64]) -> Declared:
        """Return the declarations at `rows`."""
        return Declared(
            self.name,
            tuple(self.hs6[i] for i in rows),
            tuple(self.origin[i] for i in rows),
            self.net_mass[rows],
            self.item_price[rows],
            self.fraud[rows],
        )


def peer_keys(hs6: str, origin: str) -> tuple[str, ...]:
    """Return the keys of a declaration's peers, the nearest first: one of each of `LEVELS`.

    >>> peer_keys("090111", "BR")
    ('090111|BR', '090111', '0901', '09', '')
    """
    return f"{hs6}|{origin}", hs6, hs6[:4], hs6[:2], ""


def comparable(net_mass: float, item_price: float) -> bool:
    """Tell whether a value a kilogram can be had of a declaration."""
    return net_mass > 0 and item_price > 0 and math.isfinite(net_mass) and math.isfinite(item_price)


def read_declared(store: Store, name: str) -> Declared:
    """Read the CSV called `name`; what has no mass or no price is left out, for it has no value a kilogram.

    Raises ServiceError that names the file, the line and the column.
    """
    text = io.StringIO(store.read(name).decode("utf-8-sig", errors="replace"), newline="")
    reader = csv.DictReader(text)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise ServiceError(f"{name}:1", f"no column {missing[0]!r}", "give the columns of the published set")
    hs6, origin, mass, price, fraud = [], [], [], [], []
    for record in reader:
        try:
            one_mass, one_price = float(record["Net Mass"]), float(record["Item Price"])
            label = int(record["Fraud"])
        except (TypeError, ValueError):
            where = f"{name}:{reader.line_num}"
            raise ServiceError(where, "no number in Net Mass, Item Price or Fraud", "correct the line") from None
        if comparable(one_mass, one_price):
            hs6.append(record["HS6 Code"])
            origin.append(record["Country of Origin"])
            mass.append(one_mass)
            price.append(one_price)
            fraud.append(label)
    if not hs6:
        raise ServiceError(name, "no declaration with a mass and a price", "give declarations")
    return Declared(name, tuple(hs6), tuple(origin), np.array(mass), np.array(price), np.array(fraud, dtype=np.int8))
