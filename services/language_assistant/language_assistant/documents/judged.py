"""How many fields of written invoices are read right."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np

from language_assistant.documents.invoice import How, read_invoice
from language_assistant.documents.written import damage, write
from model_training.figures import figure, mean_of

COUNT = 400
FIRST_SEED = 1000
AMOUNTS = ("subtotal", "freight", "insurance", "total")


def outcomes(count: int = COUNT, damaged: bool = False) -> Iterator[tuple[str, How | None, bool]]:
    """Yield of each field how it was found (None where it was not) and whether it is right; goods line by line."""
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        written = write(seed)
        told = read_invoice(damage(written.text, seed) if damaged else written.text)
        for name, value in written.fields.items():
            field = told.fields.get(name)
            same = field is not None and (
                Decimal(field.value) == Decimal(value) if name in AMOUNTS else field.value == value
            )
            yield name, field.found_by if field else None, same
        lines = {(one.hs_code, one.quantity, one.unit_price, one.amount) for one in told.items}
        for _, code, quantity, price, amount in written.items:
            digits = "".join(letter for letter in code if letter.isdigit())
            yield "items", "label" if lines else None, (digits, quantity, price, amount) in lines


def results(seed: int) -> list[dict[str, Any]]:
    """Return the figures of written invoices as they are, and damaged as by a poor recognition of characters."""
    found = []
    for damaged, english, french in (
        (False, "written invoices", "factures écrites par programme"),
        (True, "the same, damaged", "les mêmes, abîmées"),
    ):
        told = list(outcomes(damaged=damaged))
        whole = {"en": f"{english}: fields and lines right", "fr": f"{french} : champs et lignes justes"}
        of_told = {
            "en": f"{english}: fields and lines right, of those told",
            "fr": f"{french} : champs et lignes justes, parmi ceux donnés",
        }
        found.append(_figure(whole, np.array([float(right) for _, _, right in told]), seed))
        found.append(_figure(of_told, np.array([float(right) for _, how, right in told if how]), seed))
    return found


def _figure(label: dict[str, str], values: Any, seed: int) -> dict[str, Any]:
    return {**figure(label["en"], mean_of(values), len(values), seed), "label": label}
