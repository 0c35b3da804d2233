"""The fields of a commercial invoice, read from its text by labels in English and French, and checked by its sums.

Every field tells how it was found: `sums` where the arithmetic of the invoice agrees with it, `label` where its label
stands beside it, `pattern` where it merely looks like it. A reader by rules misses what its rules do not know: what is
not found is left out, and an officer looks at the paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from language_assistant.documents.values import CURRENCIES, amount_of, currency_of, date_of
from language_assistant.words import plain

How = Literal["sums", "label", "pattern"]
# No more than the share that is right among 400 written and damaged invoices, by how a field was found (a test
# compares them); a mere pattern is given less, for on other invoices it fits more that is none.
CONFIDENCE: dict[How, float] = {"sums": 0.95, "label": 0.85, "pattern": 0.6}
CENT = Decimal("0.02")  # what rounding may part a product or a sum by
LETTERS_MOST = 200_000
LINES_MOST = 20_000
LABELS: dict[str, tuple[str, ...]] = {
    "number": (
        r"(?:commercial )?invoice (?:no|number|nr|#)",
        r"facture(?: commerciale)? (?:n[o°]|numero)",
        r"numero de facture",
    ),
    "date": (r"(?:invoice )?date(?: of issue)?", r"date(?: de(?: la)? facture| d'emission)?"),
    "currency": (r"currency", r"(?:devise|monnaie)"),
    "seller": (r"(?:seller|exporter|shipper|supplier)", r"(?:vendeur|exportateur|expediteur|fournisseur)"),
    "buyer": (r"(?:buyer|importer|consignee|bill to|sold to)", r"(?:acheteur|importateur|destinataire|client)"),
    "incoterm": (r"(?:incoterms?(?: 20\d\d)?|terms of delivery|delivery terms)", r"conditions de livraison"),
    "subtotal": (r"(?:sub-?total|goods value|total goods)", r"(?:sous-total|valeur des marchandises)"),
    "freight": (r"(?:freight|shipping|transport)", r"(?:fret|port)"),
    "insurance": (r"insurance", r"assurance"),
    "total": (
        r"(?:(?:grand |invoice )?total(?: due| amount| payable)?|amount due)",
        r"(?:(?:montant )?total(?: general| a payer| facture| ttc)?|net a payer)",
    ),
}
INCOTERMS = ["EXW", "FCA", "FAS", "FOB", "CFR", "CIF", "CPT", "CIP", "DAP", "DPU", "DDP"]
_HS = re.compile(r"(?<![\d.,])(\d{4}[. ]?\d{2}(?:[. ]?\d{2}){0,2})(?![\d,]|\.\d)")
_PATTERNS = {
    name: tuple(re.compile(rf"{label}(?: ?\([a-z]{{3}}\))?\s*[:.#°]*(?!\w)") for label in labels)
    for name, labels in LABELS.items()
}


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Field(_Told):
    """A field: what it says, how it was found, and how sure that is."""

    value: str
    found_by: How
    confidence: float


class Item(_Told):
    """A line of goods."""

    description: str
    hs_code: str | None
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    agrees: bool  # quantity times price is the amount


class Check(_Told):
    """A sum: what it comes to, and what the invoice says."""

    name: str
    computed: Decimal
    stated: Decimal
    agrees: bool


class Invoice(_Told):
    """What was read."""

    fields: dict[str, Field]
    items: tuple[Item, ...]
    checks: tuple[Check, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Cell:
    start: int
    text: str


def read_invoice(text: str) -> Invoice:
    """Return what an invoice's text says."""
    lines = [_cells(line) for line in text[:LETTERS_MOST].splitlines()[:LINES_MOST]]
    items = tuple(item for line in lines if (item := _item(line)) is not None)
    found = {name: value for name in LABELS if (value := _labelled(name, lines)) is not None}
    if "number" not in found and (match := re.search(r"\b[A-Z]{2,5}[-/]?\d{4}[-/]\d{2,6}\b", text)) is not None:
        found["number"] = _field(match[0], "pattern")
    if "date" not in found and (dated := date_of(text)) is not None:
        found["date"] = _field(dated[0].isoformat(), "pattern")
    if "currency" not in found and (code := currency_of(text)) is not None:
        found["currency"] = _field(code, "pattern")
    if "incoterm" not in found and (match := re.search(rf"\b({'|'.join(INCOTERMS)})\b", text)) is not None:
        found["incoterm"] = _field(match[1], "pattern")
    checks = _checks(items, found)
    sums = {
        "items": ("subtotal",),
        "total": ("subtotal", "freight", "insurance", "total"),
        "items and costs": ("total",),
    }
    for check in checks:
        for name in sums[check.name] if check.agrees else ():
            if name in found:
                found[name] = _field(found[name].value, "sums")
    wanted = ("number", "date", "currency", "seller", "buyer", "total")
    missing = tuple(name for name in wanted if name not in found) + (() if items else ("items",))
    return Invoice(fields=found, items=items, checks=tuple(checks), missing=missing)


def _field(value: str, how: How, confidence: float | None = None) -> Field:
    return Field(value=value, found_by=how, confidence=CONFIDENCE[how] if confidence is None else confidence)


def _cells(line: str) -> list[_Cell]:
    """Return the columns of a line: two spaces or a tabulator part them."""
    return [_Cell(one.start(), one[0].strip()) for one in re.finditer(r"\S(?:(?! {2}|\t).)*", line.replace("|", "  "))]


def _labelled(name: str, lines: Sequence[Sequence[_Cell]]) -> Field | None:
    """Return the field whose label stands before it, in the same line or above it."""
    for place, line in enumerate(lines):
        for column, cell in enumerate(line):
            easy = plain(cell.text)
            match = _label(name, easy)
            # plain text may be longer than what it was made of: then only the whole cell can be a label
            if match is None or (len(easy) != len(cell.text) and match.end() != len(easy)):
                continue
            rest, labelled = cell.text[match.end() :].strip(" :"), match[0].rstrip()[-1] in ":.#°"
            if rest and not labelled and name in ("seller", "buyer", "currency", "number"):
                continue  # "Buyer's order" is no buyer
            near = [rest] if rest else [one.text for one in line[column + 1 : column + 2]] + _below(lines, place, cell)
            for text in near:
                if (value := _value(name, text)) is not None:
                    return value
    return None


def _label(name: str, text: str) -> re.Match[str] | None:
    """Return the longest label of a field that a text begins with: "total general" is more than "total"."""
    found = [match for pattern in _PATTERNS[name] if (match := pattern.match(text)) is not None]
    return max(found, key=lambda match: match.end(), default=None)


def _below(lines: Sequence[Sequence[_Cell]], place: int, label: _Cell) -> list[str]:
    for line in lines[place + 1 : place + 3]:
        for cell in line:
            if abs(cell.start - label.start) <= 4:
                return [cell.text]
    return []


def _value(name: str, text: str) -> Field | None:
    """Return the field that a text is, where it can be that field."""
    if name in ("subtotal", "freight", "insurance", "total"):
        amount = amount_of(text)
        return None if amount is None else _field(str(amount), "label")
    if name == "date":
        found = date_of(text)
        return None if found is None else _field(found[0].isoformat(), "pattern" if found[1] else "label")
    if name == "currency":
        code = currency_of(text) or (text if re.fullmatch(r"[A-Z]{3}", text) else None)
        return None if code is None else _field(code, "label" if code in CURRENCIES else "pattern")
    if name == "incoterm":
        term = re.match(rf"({'|'.join(INCOTERMS)})\b", text)
        return None if term is None else _field(term[1], "label")
    if name == "number":
        word = text.split()[0] if text.split() else ""
        return _field(word, "label") if re.search(r"\d", word) and date_of(word) is None else None
    is_label = text.rstrip().endswith(":") and any(_label(one, plain(text)) for one in LABELS)
    return None if is_label or len(re.findall(r"[^\W\d_]", text)) < 2 else _field(text[:200], "label")


def _item(line: Sequence[_Cell]) -> Item | None:
    """Return the line of goods that a line is: words, perhaps a code, and quantity, price and amount at its end."""
    texts = [one.text for one in line]
    if len(texts) < 4:
        return None
    quantity, price, amount = (amount_of(re.sub(r"\s*[A-Za-z]{1,4}\.?$", "", one)) for one in texts[-3:])
    if quantity is None or price is None or amount is None or quantity <= 0:
        return None
    codes = [match[1] for text in texts[:-3] if (match := _HS.fullmatch(text)) is not None]
    inside = [match[1] for text in texts[:-3] if (match := _HS.search(text)) is not None]
    code = next(iter(codes or inside), None)
    named = [text for text in texts[:-3] if len(re.findall(r"[^\W\d_]", text)) >= 2]
    if not named:
        return None
    description = max(named, key=len)
    if code is not None and not codes:
        description = description.replace(code, "").strip(" -()")
    digits = re.sub(r"\D", "", code) if code else None
    agrees = abs(quantity * price - amount) <= max(CENT, amount * Decimal("0.0005"))
    return Item(
        description=description, hs_code=digits, quantity=quantity, unit_price=price, amount=amount, agrees=agrees
    )


def _checks(items: Sequence[Item], found: dict[str, Field]) -> list[Check]:
    """Return the sums that the invoice has the parts of."""
    amounts = {
        name: Decimal(found[name].value) for name in ("subtotal", "freight", "insurance", "total") if name in found
    }
    goods = sum((one.amount for one in items), Decimal(0))
    costs = amounts.get("freight", Decimal(0)) + amounts.get("insurance", Decimal(0))
    checks = []
    if items and "subtotal" in amounts:
        checks.append(_check("items", goods, amounts["subtotal"]))
    if "subtotal" in amounts and "total" in amounts:
        checks.append(_check("total", amounts["subtotal"] + costs, amounts["total"]))
    elif items and "total" in amounts:
        checks.append(_check("items and costs", goods + costs, amounts["total"]))
    return checks


def _check(name: str, computed: Decimal, stated: Decimal) -> Check:
    return Check(name=name, computed=computed, stated=stated, agrees=abs(computed - stated) <= CENT)
